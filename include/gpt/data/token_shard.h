// One memory-mapped file of tokens: nanoGPT's (bare little-endian numbers) or llm.c's (with a
// header).
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

#include "gpt/base/files.h"
#include "gpt/data/token_mask.h"

namespace gpt {

// Bytes of a token on disk.
enum class TokenWidth : std::int64_t { k16 = 2, k32 = 4 };

// llm.c's header is 256 int32: magic 20240520, version 1, number of tokens, and uint16 follow; with
// magic 20240801 and version 7 they are uint32 (llm.c, dev/data/data_common.py). No file of
// GPT-2's tokens begins with either: its first token would be 55432 or 55713.
class TokenShard {
 public:
  // Of a file without a header `bare` says the width. InputError if it is missing, cut short, or
  // its header contradicts its size.
  TokenShard(const fs::path& path, TokenWidth bare);

  std::int64_t size() const { return size_; }  // tokens
  TokenWidth width() const { return width_; }
  const fs::path& path() const { return file_.path(); }

  // Copies tokens [begin, begin + count), which must lie within the file. InputError if one is not
  // below `vocab_size`, or the file was cut since it was opened.
  void copy(std::int64_t begin, std::int64_t count, std::int64_t vocab_size,
            std::int64_t* out) const;
  // The same without the copy.
  void check(std::int64_t begin, std::int64_t count, std::int64_t vocab_size) const;

  // From now on the mask that lies beside the file, if there is one, says which tokens count.
  void open_mask();
  const TokenMask* mask() const { return mask_ ? &*mask_ : nullptr; }

 private:
  void read_header(std::int64_t magic, std::int32_t version);
  void read(std::int64_t begin, std::int64_t count, std::int64_t* out) const;
  [[noreturn]] void refuse(std::int64_t index, std::int64_t token, std::int64_t vocab_size) const;

  MappedFile file_;
  TokenWidth width_;
  std::int64_t header_bytes_ = 0;
  std::int64_t size_ = 0;
  std::optional<TokenMask> mask_;
};

}  // namespace gpt
