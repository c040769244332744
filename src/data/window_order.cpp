#include "gpt/data/window_order.h"

#include <algorithm>
#include <bit>
#include <numeric>
#include <utility>

#include "gpt/base/splitmix64.h"

namespace gpt {

namespace {

// What a number is drawn for.
enum class Draw : std::uint64_t { kSource = 1, kOffset, kShift, kPermutation };

std::uint64_t chained(std::uint64_t key, std::uint64_t value) {
  constexpr std::uint64_t kGolden = 0x9E3779B97F4A7C15u;
  return splitmix64(key + kGolden * value);
}

std::uint64_t draw(std::int64_t seed, Draw what, std::uint64_t a, std::uint64_t b) {
  const auto key = chained(static_cast<std::uint64_t>(seed), static_cast<std::uint64_t>(what));
  return chained(chained(key, a), b);
}

// A permutation of [0, size) by a Feistel network (Luby and Rackoff 1988) on the least even number
// of bits that holds `size`; what falls outside is sent through again until it falls inside, which
// stays a permutation and takes at most four rounds of it on average.
std::int64_t permuted(std::int64_t index, std::int64_t size, std::uint64_t key) {
  constexpr std::uint64_t kRounds = 6;
  if (size <= 1) return index;
  const auto half = (std::bit_width(static_cast<std::uint64_t>(size - 1)) + 1) / 2;
  const std::uint64_t mask = (std::uint64_t{1} << half) - 1;
  auto value = static_cast<std::uint64_t>(index);
  do {
    std::uint64_t left = value >> half, right = value & mask;
    for (std::uint64_t round = 0; round < kRounds; ++round)
      left = std::exchange(right, left ^ (chained(chained(key, round), right) & mask));
    value = left << half | right;
  } while (value >= static_cast<std::uint64_t>(size));
  return static_cast<std::int64_t>(value);
}

}  // namespace

WindowOrder::WindowOrder(const std::string& data_order, std::int64_t seed, std::int64_t block_size,
                         std::vector<Source> sources)
    : kind_(data_order == "shuffle"      ? Kind::kShuffle
            : data_order == "sequential" ? Kind::kSequential
                                         : Kind::kRandom),
      seed_(seed),
      block_size_(block_size),
      sources_(std::move(sources)) {}

Window WindowOrder::next(Counts& taken) const {
  const std::size_t source = source_of(std::accumulate(taken.begin(), taken.end(), std::int64_t{}));
  return {static_cast<std::int64_t>(source), offset_of(source, taken[source]++)};
}

std::size_t WindowOrder::source_of(std::int64_t sequence) const {
  if (sources_.size() == 1) return 0;
  const std::uint64_t bits = draw(seed_, Draw::kSource, static_cast<std::uint64_t>(sequence), 0);
  return source_at(static_cast<double>(bits >> 11) * 0x1p-53);
}

std::size_t WindowOrder::source_at(double fraction) const {
  std::size_t source = 0;
  while (source + 1 < sources_.size() && fraction >= sources_[source].share)
    fraction -= sources_[source++].share;
  return source;
}

std::int64_t WindowOrder::offset_of(std::size_t source, std::int64_t taken) const {
  const std::int64_t places = sources_[source].tokens - block_size_;
  switch (kind_) {
    case Kind::kShuffle:
      return shuffled_offset(source, taken);
    case Kind::kSequential:
      return taken % windows_per_epoch(source) * block_size_;
    case Kind::kRandom:
      break;
  }
  const std::uint64_t bits = draw(seed_, Draw::kOffset, source, static_cast<std::uint64_t>(taken));
  return static_cast<std::int64_t>(bits % static_cast<std::uint64_t>(places));
}

std::int64_t WindowOrder::shuffled_offset(std::size_t source, std::int64_t taken) const {
  const std::int64_t windows = windows_per_epoch(source);
  const auto epoch = static_cast<std::uint64_t>(taken / windows);
  const std::int64_t shifts =
      std::min(block_size_, sources_[source].tokens - windows * block_size_);
  const std::uint64_t shift =
      draw(seed_, Draw::kShift, source, epoch) % static_cast<std::uint64_t>(shifts);
  return static_cast<std::int64_t>(shift) +
         permuted(taken % windows, windows, draw(seed_, Draw::kPermutation, source, epoch)) *
             block_size_;
}

// A shuffled epoch leaves a block_size of tokens for the shift, where there are as many.
std::int64_t WindowOrder::windows_per_epoch(std::size_t source) const {
  const std::int64_t tokens = sources_[source].tokens;
  if (kind_ != Kind::kShuffle) return (tokens - 1) / block_size_;
  return std::max<std::int64_t>(1, tokens / block_size_ - 1);
}

std::int64_t WindowOrder::tokens_per_epoch(std::size_t source) const {
  return kind_ == Kind::kRandom ? sources_[source].tokens : windows_per_epoch(source) * block_size_;
}

}  // namespace gpt
