// The tokens of a split: one file, or several shards read as one, in their order.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "gpt/data/token_shard.h"

namespace gpt {

// Shards are joined without a seam: a window may begin in one and end in the next, as a window of
// one file may span the end of a document. So the same tokens give the same batches however they
// are cut into shards.
class TokenFile {
 public:
  // Expects at least block_size + 1 tokens, all below vocab_size. Up to 256 MiB are checked whole,
  // of more the first and last 64 MiB; copy() does the rest as batches are cut. InputError names
  // file, place and remedy.
  TokenFile(const std::vector<fs::path>& shards, std::int64_t block_size, std::int64_t vocab_size,
            TokenWidth bare = TokenWidth::k16);
  TokenFile(const fs::path& path, std::int64_t block_size, std::int64_t vocab_size,
            TokenWidth bare = TokenWidth::k16)
      : TokenFile(std::vector{path}, block_size, vocab_size, bare) {}

  std::int64_t size() const { return ends_.back(); }  // tokens
  const fs::path& path() const { return shards_.front().path(); }
  std::size_t shards() const { return shards_.size(); }

  // The file that holds token `index`, and its number there.
  struct Place {
    fs::path file;
    std::int64_t index;
  };
  Place place_of(std::int64_t index) const;

  // Copies tokens [begin, begin + count). Error if they do not lie within the file, InputError if
  // one is not below vocab_size.
  void copy(std::int64_t begin, std::int64_t count, std::int64_t* out) const;

  // From now on the masks that lie beside the shards say which tokens count as targets; all do of a
  // shard without one. InputError for a mask that does not fit.
  void open_masks();
  bool has_masks() const;
  // Whether each of tokens [begin, begin + count) counts, and how many do.
  void copy_mask(std::int64_t begin, std::int64_t count, bool* out) const;
  std::int64_t counted(std::int64_t begin, std::int64_t count) const;

 private:
  // Calls visit(shard, first token in it, how many, how many came before).
  template <class Visit>
  void for_each_part(std::int64_t begin, std::int64_t count, const Visit& visit) const;
  void check(std::int64_t begin, std::int64_t count) const;
  void check_size(std::int64_t block_size) const;
  void require_within(std::int64_t begin, std::int64_t count) const;

  std::vector<TokenShard> shards_;
  std::vector<std::int64_t> ends_;  // of each shard, in tokens of the whole
  std::int64_t vocab_size_;
};

}  // namespace gpt
