#include "data_files.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <sstream>

#include "gpt/base/error.h"
#include "gpt/base/files.h"
#include "gpt/base/glob.h"
#include "gpt/base/strings.h"

namespace gpt {

namespace {

constexpr const char* kExample = ", as in 0.7:web/*.bin,0.3:code/*.bin";
constexpr std::size_t kMostSources = 1000;

std::vector<fs::path> files_that_fit(const std::string& pattern) {
  auto found = matching_paths(pattern);
  std::erase_if(found, [](const fs::path& path) { return fs::is_directory(path); });
  return found;
}

std::optional<double> weight_of(const std::string& text) {
  double weight = 0;
  const char* end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, weight);
  constexpr double kLeast = 1e-9, kMost = 1e9;
  if (error != std::errc() || stopped != end || !(weight >= kLeast && weight <= kMost))
    return std::nullopt;
  return weight;
}

// A name of the list as it was understood.
struct ListedName {
  std::string pattern;
  std::vector<fs::path> files;
  std::optional<double> weight;
};

// With no files if there are none.
ListedName understood(const std::string& key, const std::string& name) {
  if (auto files = files_that_fit(name); !files.empty()) return {name, std::move(files), {}};
  const std::size_t colon = name.find(':');
  if (colon == std::string::npos) return {name, {}, {}};
  const std::string number = name.substr(0, colon), rest = name.substr(colon + 1);
  const auto weight = weight_of(number);
  auto files = files_that_fit(rest);
  if (!weight && !files.empty())
    throw InputError(concat(key, ": '", number, "' before ", rest,
                            " is no weight; expected a number above 0 (1e-9 to 1e9) and a colon",
                            kExample));
  return {weight ? rest : name, std::move(files), weight};
}

std::string folder_name(const std::string& pattern) {
  const std::string name = fs::path(pattern).parent_path().filename();
  return name.empty() || is_pattern(name) ? pattern : name;
}

void name_sources(const std::vector<ListedName>& names, std::vector<TrainingFiles>& sources) {
  const auto count = [&](const std::string& folder) {
    return std::count_if(names.begin(), names.end(), [&](const ListedName& other) {
      return folder_name(other.pattern) == folder;
    });
  };
  for (std::size_t i = 0; i < sources.size(); ++i) {
    const std::string folder = folder_name(names[i].pattern);
    sources[i].name = count(folder) == 1 ? folder : names[i].pattern;
  }
}

// Of names that all have files.
FileList sources_of(const std::string& key, std::vector<ListedName> names) {
  FileList list;
  double sum = 0;
  for (const ListedName& name : names) sum += name.weight.value_or(0);
  list.weighted = sum > 0;
  const auto bare = std::find_if(names.begin(), names.end(), [](auto& n) { return !n.weight; });
  if (list.weighted && bare != names.end())
    throw InputError(concat(key, ": ", bare->pattern,
                            " has no weight, but others have; expected one before each", kExample,
                            ", or none at all"));
  if (names.size() > kMostSources && list.weighted)
    throw InputError(concat(key, ": names ", names.size(), " weighted sources; expected at most ",
                            kMostSources, "; put some together with a pattern"));
  for (ListedName& name : names) {
    if (list.weighted || list.sources.empty()) list.sources.push_back({"", {}, 1});
    TrainingFiles& source = list.sources.back();
    if (list.weighted) source.share = *name.weight / sum;
    source.files.insert(source.files.end(), name.files.begin(), name.files.end());
  }
  name_sources(names, list.sources);
  return list;
}

}  // namespace

FileList read_file_list(const std::string& key, const std::string& list) {
  std::vector<ListedName> names;
  if (file_exists(list)) return sources_of(key, {{list, {list}, {}}});
  std::istringstream parts(list);
  std::string unknown, missing;
  for (std::string part; std::getline(parts, part, ',');) {
    const std::string name = unknown.empty() ? part : concat(unknown, ",", part);
    ListedName found = understood(key, name);
    unknown = found.files.empty() ? name : std::string();
    missing = found.files.empty() ? found.pattern : std::string();
    if (!found.files.empty()) names.push_back(std::move(found));
  }
  if (!unknown.empty()) return {{}, false, missing};
  return sources_of(key, std::move(names));
}

}  // namespace gpt
