// A memory-mapped file of tokens as nanoGPT writes it: little-endian uint16, nothing else.
#pragma once

#include <cstdint>
#include <filesystem>

#include "gpt/base/files.h"

namespace gpt {

class TokenFile {
 public:
  // Expects at least block_size + 1 tokens, all below vocab_size. Files up to 256 MiB are checked
  // whole, of longer ones the first and last 64 MiB; check() does the rest as batches are cut.
  // InputError names file, place and remedy.
  TokenFile(const std::filesystem::path& path, std::int64_t block_size, std::int64_t vocab_size);

  std::int64_t size() const { return size_; }  // tokens
  const std::uint16_t* data() const {          // lives as long as this object
    return reinterpret_cast<const std::uint16_t*>(file_.bytes().data());
  }
  const std::filesystem::path& path() const { return file_.path(); }

  // InputError if a token of [begin, begin + count) is not below vocab_size. The range must lie
  // within the file.
  void check(std::int64_t begin, std::int64_t count) const;

 private:
  void check_size(std::int64_t block_size) const;

  MappedFile file_;
  std::int64_t size_;
  std::int64_t vocab_size_;
};

}  // namespace gpt
