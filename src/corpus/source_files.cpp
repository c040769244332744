#include "gpt/corpus/source_files.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <numeric>

#include "gpt/base/error.h"
#include "gpt/base/strings.h"
#include "gpt/corpus/dataset_folder.h"

namespace gpt {

namespace fs = std::filesystem;

namespace {

std::uint64_t bytes_of(const fs::path& file) {
  std::error_code error;
  const std::uint64_t bytes = fs::file_size(file, error);
  if (error) throw InputError(concat(file.string(), ": cannot tell the size: ", error.message()));
  return bytes;
}

bool looks_binary(const fs::path& path) {
  std::array<char, 8192> head;
  std::ifstream in(path, std::ios::binary);
  in.read(head.data(), head.size());
  const auto end = head.begin() + in.gcount();
  return std::find(head.begin(), end, '\0') != end;
}

std::vector<fs::path> regular_files_below(const fs::path& folder, const fs::path& out_dir) {
  std::vector<fs::path> files;
  std::error_code error;
  fs::recursive_directory_iterator entry(folder, error);
  for (; !error && entry != fs::recursive_directory_iterator(); entry.increment(error)) {
    std::error_code broken_link;
    if (entry->is_regular_file(broken_link) && !DatasetFolder::is_ours(out_dir, entry->path()))
      files.push_back(entry->path());
  }
  if (error)
    throw InputError(concat(folder.string(), ": cannot list the folder: ", error.message()));
  std::sort(files.begin(), files.end());
  return files;
}

void add_folder(const fs::path& folder, const fs::path& out_dir, SourceFiles& sources) {
  for (const fs::path& file : regular_files_below(folder, out_dir)) {
    const std::uint64_t bytes = bytes_of(file);
    if (bytes == 0) {
      ++sources.skipped_empty;
    } else if (looks_binary(file)) {
      ++sources.skipped_binary;
    } else {
      sources.files.push_back(file);
      sources.bytes.push_back(bytes);
    }
  }
}

}  // namespace

std::uint64_t SourceFiles::total_bytes() const {
  return std::accumulate(bytes.begin(), bytes.end(), std::uint64_t{0});
}

SourceFiles find_source_files(const std::vector<fs::path>& inputs, const fs::path& out_dir) {
  SourceFiles sources;
  for (const fs::path& input : inputs) {
    std::error_code error;
    const fs::file_status status = fs::status(input, error);
    if (!fs::exists(status))
      throw InputError(concat(input.string(), ": ", error.message(),
                              "; expected a text file or a folder of text files"));
    if (fs::is_directory(status)) {
      add_folder(input, out_dir, sources);
    } else if (fs::is_regular_file(status)) {
      sources.files.push_back(input);
      sources.bytes.push_back(bytes_of(input));
    } else {
      throw InputError(
          concat(input.string(),
                 ": expected a regular file or a folder: the text is read twice, which "
                 "a pipe or a device does not allow; save it to a file first"));
    }
  }
  return sources;
}

}  // namespace gpt
