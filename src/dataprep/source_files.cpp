#include "gpt/dataprep/source_files.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <sys/stat.h>
#include <unistd.h>

#include "gpt/base/error.h"
#include "gpt/base/files.h"
#include "gpt/base/glob.h"
#include "gpt/base/input_file.h"
#include "gpt/base/strings.h"
#include "gpt/dataprep/dataset_folder.h"
#include "gpt/dataprep/decoded_source.h"
#include "gpt/dataprep/input_stream.h"

#include "folder_files.h"

namespace gpt {

namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t kLookedThrough = std::uint64_t{64} << 20;  // of an archive, on disk

// Of the path, or of standard input for "-".
struct stat facts_of(const fs::path& path) {
  struct stat facts {};
  if ((path == "-" ? fstat(STDIN_FILENO, &facts) : stat(path.c_str(), &facts)) != 0)
    throw InputError(concat(path.string(), ": ", std::strerror(errno),
                            "; expected a text file or a folder of text files"));
  return facts;
}

std::int64_t modification(const struct stat& facts) {
  return facts.st_mtim.tv_sec * std::int64_t{1'000'000'000} + facts.st_mtim.tv_nsec;
}

SourceFile source_file(const fs::path& path, const struct stat& facts) {
  const bool regular = S_ISREG(facts.st_mode);
  SourceFile file;
  file.path = path;
  file.bytes = regular ? static_cast<std::uint64_t>(facts.st_size) : 0;
  file.modified = regular ? modification(facts) : 0;
  return file;
}

// Rows, if it were named as what it is.
bool is_named_rows(const fs::path& path) {
  return path.extension() == ".jsonl" || path.extension() == ".ndjson";
}

class Finder {
 public:
  Finder(const fs::path& out_dir, const InputRules& rules, const StopCheck& stop)
      : out_dir_(out_dir), rules_(rules), stop_(stop) {}

  void add(const fs::path& input) {
    const struct stat facts = facts_of(input);
    const bool regular = S_ISREG(facts.st_mode), folder = S_ISDIR(facts.st_mode);
    if (folder) return add_folder(input);
    SourceFile file = source_file(input, facts);
    file.stream = input == "-" || (!regular && handed_over(input));
    if (!regular && !file.stream)
      throw InputError(concat(input.string(),
                              ": expected a regular file or a folder; give a pipe or a device to "
                              "standard input, and - as its name"));
    if (const auto refusal = look(file))
      throw InputError(concat(file.name(), ": is ", refusal->what,
                              ", not text; convert it to text first, or leave it out"));
    found_.files.push_back(std::move(file));
  }
  SourceFiles take() {
    found_.stopped = stop_ && stop_();
    return std::move(found_);
  }

 private:
  void add_folder(const fs::path& folder) {
    for (const fs::path& path : files_below(folder, out_dir_, found_.left_out)) {
      if (stop_ && stop_()) return;
      const std::string name = path.lexically_relative(folder).string();
      if (access(path.c_str(), R_OK) != 0) {
        found_.left_out.add(NoText::kUnreadable, name);
        continue;
      }
      SourceFile file = source_file(path, facts_of(path));
      std::optional<Refusal> refusal;
      if (file.bytes == 0)
        refusal = {NoText::kEmpty, ""};
      else
        refusal = look(file, /*in_folder=*/true);
      if (refusal)
        found_.left_out.add(refusal->reason, name);
      else
        found_.files.push_back(std::move(file));
    }
  }

  // Opens it to see what it holds, or why that is no text.
  std::optional<Refusal> look(SourceFile& file, bool in_folder = false) {
    std::string record;
    std::optional<Refusal> refusal;
    {
      InputStream stream(file, rules_, stop_, file.stream ? &record : nullptr);
      if (stream.is_parquet()) {
        file.layout = Layout::kJson;
      } else if (stream.next_text(refusal)) {
        file.layout = stream.text().layout;
        // As a project has many of them, none of which is a text to train on.
        if (in_folder && stream.text().json_object && !is_named_rows(file.path))
          refusal = {NoText::kJsonObject, ""};
        else if (stream.is_archive())
          look_through(stream, file);
      } else if (!refusal && stream.is_archive() && !(stop_ && stop_())) {
        refusal = {NoText::kBinary, stream.left_out().empty()
                                        ? std::string("an archive without files")
                                        : concat("an archive without a text in it (left out: ",
                                                 stream.left_out().text(), ")")};
      }
    }
    file.head = std::move(record);
    return refusal;
  }

  static void look_through(InputStream& stream, SourceFile& file) {
    std::optional<Refusal> ignored;
    while (!file.stream && file.texts < kManyTexts && stream.consumed() < kLookedThrough) {
      if (!stream.next_text(ignored)) return;
      ++file.texts;
      if (stream.text().layout != Layout::kWhole) file.layout = stream.text().layout;
    }
    file.texts = kManyTexts;
  }

  const fs::path& out_dir_;
  const InputRules& rules_;
  const StopCheck& stop_;
  SourceFiles found_;
};

}  // namespace

std::string SourceFile::name() const {
  return path == "-" ? "standard input" : path.string();
}

std::uint64_t SourceFiles::total_bytes() const {
  std::uint64_t total = 0;
  for (const SourceFile& file : files) total += file.bytes;
  return total;
}

bool SourceFiles::is_unchanged(const SourceFile& file) {
  if (file.stream) return true;
  struct stat now {};
  return stat(file.path.c_str(), &now) == 0 &&
         static_cast<std::uint64_t>(now.st_size) == file.bytes &&
         modification(now) == file.modified;
}

void SourceFiles::changed(const SourceFile& file) {
  throw Error(
      concat(file.name(), ": changed while it was prepared; nothing was written, start again"));
}

SourceFiles find_source_files(const std::vector<fs::path>& inputs, const fs::path& out_dir,
                              const InputRules& rules, const StopCheck& stop) {
  check_encoding(rules.encoding);
  Finder finder(out_dir, rules, stop);
  for (const fs::path& input : inputs) {
    const bool pattern = is_pattern(input.string()) && !file_exists(input);
    const std::vector<fs::path> paths =
        pattern ? matching_paths(input.string()) : std::vector{input};
    if (paths.empty())
      throw InputError(concat(input.string(),
                              ": no file matches this pattern; name files, a "
                              "folder, or a pattern that fits some"));
    for (const fs::path& path : paths) finder.add(path);
  }
  return finder.take();
}

}  // namespace gpt
