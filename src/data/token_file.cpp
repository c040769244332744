#include "gpt/data/token_file.h"

#include <algorithm>

#include "gpt/base/error.h"
#include "gpt/base/strings.h"

namespace gpt {

namespace {

constexpr std::int64_t kWholeBytes = std::int64_t{256} << 20;
constexpr std::int64_t kEndBytes = std::int64_t{64} << 20;

}  // namespace

TokenFile::TokenFile(const std::vector<fs::path>& shards, std::int64_t block_size,
                     std::int64_t vocab_size, TokenWidth bare)
    : vocab_size_(vocab_size) {
  std::int64_t bytes_of_token = 2;
  for (const fs::path& path : shards) {
    shards_.emplace_back(path, bare);
    ends_.push_back((ends_.empty() ? 0 : ends_.back()) + shards_.back().size());
    bytes_of_token = static_cast<std::int64_t>(shards_.back().width());
  }
  if (shards_.empty()) throw InputError("no token files; expected at least one");
  check_size(block_size);
  const std::int64_t end = kEndBytes / bytes_of_token;
  if (size() <= kWholeBytes / bytes_of_token) {
    check(0, size());
  } else {
    check(0, end);
    check(size() - end, end);
  }
}

void TokenFile::check_size(std::int64_t block_size) const {
  if (size() >= block_size + 1) return;
  throw InputError(concat(
      path().string(),
      shards_.size() > 1 ? concat(" and ", shards_.size() - 1, " more: have ")
                         : std::string(": has "),
      size(), " tokens, but block_size ", block_size, " needs at least ", block_size + 1,
      "; prepare more text",
      size() > 1 ? concat(" or set block_size to ", size() - 1, " or less") : std::string()));
}

template <class Visit>
void TokenFile::for_each_part(std::int64_t begin, std::int64_t count, const Visit& visit) const {
  auto shard =
      static_cast<std::size_t>(std::upper_bound(ends_.begin(), ends_.end(), begin) - ends_.begin());
  for (std::int64_t done = 0; done < count; ++shard) {
    const std::int64_t first = begin + done - (ends_[shard] - shards_[shard].size());
    const std::int64_t part = std::min(count - done, shards_[shard].size() - first);
    visit(shards_[shard], first, part, done);
    done += part;
  }
}

void TokenFile::check(std::int64_t begin, std::int64_t count) const {
  for_each_part(begin, count, [&](const TokenShard& shard, auto first, auto part, auto) {
    shard.check(first, part, vocab_size_);
  });
}

TokenFile::Place TokenFile::place_of(std::int64_t index) const {
  Place place;
  for_each_part(index, 1, [&](const TokenShard& shard, auto first, auto, auto) {
    place = {shard.path(), first};
  });
  return place;
}

void TokenFile::require_within(std::int64_t begin, std::int64_t count) const {
  if (begin < 0 || count < 0 || begin > size() - count)
    throw Error(concat(path().string(), ": tokens ", begin, " to ", begin + count,
                       " leave the file of ", size(), " tokens"));
}

void TokenFile::open_masks() {
  for (TokenShard& shard : shards_) shard.open_mask();
}

bool TokenFile::has_masks() const {
  return std::any_of(shards_.begin(), shards_.end(),
                     [](const TokenShard& shard) { return shard.mask() != nullptr; });
}

void TokenFile::copy_mask(std::int64_t begin, std::int64_t count, bool* out) const {
  require_within(begin, count);
  for_each_part(begin, count, [&](const TokenShard& shard, auto first, auto part, auto done) {
    if (shard.mask())
      shard.mask()->copy(first, part, out + done);
    else
      std::fill_n(out + done, part, true);
  });
}

std::int64_t TokenFile::counted(std::int64_t begin, std::int64_t count) const {
  require_within(begin, count);
  std::int64_t sum = 0;
  for_each_part(begin, count, [&](const TokenShard& shard, auto first, auto part, auto) {
    sum += shard.mask() ? shard.mask()->counted(first, part) : part;
  });
  return sum;
}

void TokenFile::copy(std::int64_t begin, std::int64_t count, std::int64_t* out) const {
  require_within(begin, count);
  for_each_part(begin, count, [&](const TokenShard& shard, auto first, auto part, auto done) {
    shard.copy(first, part, vocab_size_, out + done);
  });
}

}  // namespace gpt
