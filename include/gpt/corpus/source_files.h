// The text files behind the inputs of `prepare`.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

namespace gpt {

struct SourceFiles {
  std::vector<std::filesystem::path> files;  // in the order in which they make up the text
  std::vector<std::uint64_t> bytes;          // of each file
  std::int64_t skipped_empty = 0;            // in folders
  std::int64_t skipped_binary = 0;           // in folders: a NUL byte among the first 8 KiB

  std::uint64_t total_bytes() const;
};

// Files are taken as they are; folders give their regular files, at any depth, sorted by path.
// Links to files are followed, links to folders inside a folder are not, so that loops cannot
// trap us. Dataset files (train.bin, val.bin, meta.json and their temporaries) directly in
// `out_dir` are no input. InputError names an input that is missing or cannot be read.
SourceFiles find_source_files(const std::vector<std::filesystem::path>& inputs,
                              const std::filesystem::path& out_dir);

}  // namespace gpt
