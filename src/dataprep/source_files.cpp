#include "gpt/dataprep/source_files.h"

#include <algorithm>
#include <array>
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

namespace gpt {

namespace fs = std::filesystem;

namespace {

Packing packing_of(const fs::path& path) {
  const fs::path extension = path.extension();
  if (extension == ".gz") return Packing::kGzip;
  if (extension == ".zst") return Packing::kZstd;
  return extension == ".parquet" ? Packing::kParquet : Packing::kNone;
}

Layout layout_of(const SourceFile& file, const InputRules& rules) {
  if (file.packing == Packing::kParquet) return Layout::kJson;
  if (rules.document == "line") return Layout::kLines;
  if (rules.document == "jsonl") return Layout::kJson;
  const bool packed = file.packing == Packing::kGzip || file.packing == Packing::kZstd;
  const fs::path extension = packed ? file.path.stem().extension() : file.path.extension();
  const bool lines = extension == ".jsonl" || extension == ".ndjson";
  return lines && rules.document == "auto" ? Layout::kJson : Layout::kWhole;
}

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

bool looks_binary(const fs::path& path) {
  std::array<char, 8192> head;
  InputFile file(path);
  std::size_t size = 0;
  while (const std::size_t got = file.read(head.data() + size, head.size() - size)) size += got;
  return std::memchr(head.data(), 0, size) != nullptr;
}

class Finder {
 public:
  Finder(const fs::path& out_dir, const InputRules& rules) : out_dir_(out_dir), rules_(rules) {}

  void add(const fs::path& input) {
    const struct stat facts = facts_of(input);
    const bool stream = !S_ISREG(facts.st_mode) && !S_ISDIR(facts.st_mode);
    if (input == "-" || (stream && handed_over(input))) {
      add_file(input, facts);
      found_.files.back().packing = Packing::kStdin;
    } else if (S_ISDIR(facts.st_mode)) {
      add_folder(input);
    } else if (S_ISREG(facts.st_mode)) {
      add_file(input, facts);
    } else {
      throw InputError(concat(input.string(),
                              ": expected a regular file or a folder; give a pipe or a device to "
                              "standard input, and - as its name"));
    }
  }
  SourceFiles take() { return std::move(found_); }

 private:
  void add_file(const fs::path& path, const struct stat& facts) {
    SourceFile file{.path = path,
                    .bytes = S_ISREG(facts.st_mode) ? static_cast<std::uint64_t>(facts.st_size) : 0,
                    .modified = S_ISREG(facts.st_mode) ? modification(facts) : 0,
                    .packing = packing_of(path)};
    file.layout = layout_of(file, rules_);
    found_.files.push_back(std::move(file));
  }

  void add_folder(const fs::path& folder) {
    for (const fs::path& file : regular_files_below(folder)) {
      const struct stat facts = facts_of(file);
      if (facts.st_size == 0)
        ++found_.skipped_empty;
      else if (packing_of(file) == Packing::kNone && looks_binary(file))
        ++found_.skipped_binary;
      else
        add_file(file, facts);
    }
  }

  std::vector<fs::path> regular_files_below(const fs::path& folder) const {
    std::vector<fs::path> files;
    std::error_code error;
    fs::recursive_directory_iterator entry(folder, error);
    for (; !error && entry != fs::recursive_directory_iterator(); entry.increment(error)) {
      std::error_code broken_link;
      if (entry->is_regular_file(broken_link) && !DatasetFolder::is_ours(out_dir_, entry->path()))
        files.push_back(entry->path());
    }
    if (error)
      throw InputError(concat(folder.string(), ": cannot list the folder: ", error.message()));
    std::sort(files.begin(), files.end());
    return files;
  }

  const fs::path& out_dir_;
  const InputRules& rules_;
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
  if (file.packing == Packing::kStdin) return true;
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
                              const InputRules& rules) {
  Finder finder(out_dir, rules);
  for (const fs::path& input : inputs) {
    const bool pattern = is_pattern(input.string()) && !file_exists(input);
    const std::vector<fs::path> paths =
        pattern ? matching_paths(input.string()) : std::vector{input};
    if (paths.empty()) throw InputError(concat(input.string(), ": no file matches this pattern"));
    for (const fs::path& path : paths) finder.add(path);
  }
  return finder.take();
}

}  // namespace gpt
