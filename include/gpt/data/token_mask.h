// Which tokens of a file count as targets, where not all do: train.mask beside train.bin.
#pragma once

#include <cstdint>
#include <filesystem>

#include "gpt/base/files.h"

namespace gpt {

// A byte for each token of the file next to it: 1, it counts, or 0.
class TokenMask {
 public:
  // The mask of a token file: its name with .mask instead of .bin.
  static fs::path path_beside(const fs::path& tokens);

  // InputError if it is not of `tokens` bytes, or has others than 0 and 1 in the first 256 MiB.
  TokenMask(const fs::path& path, std::int64_t tokens);

  // Copies bytes [begin, begin + count), which must lie within the file. InputError if one is
  // neither 0 nor 1, or the file was cut since it was opened.
  void copy(std::int64_t begin, std::int64_t count, bool* out) const;
  std::int64_t counted(std::int64_t begin, std::int64_t count) const;

 private:
  MappedFile file_;
};

}  // namespace gpt
