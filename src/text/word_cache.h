// The ids of the words met last: most of a text is the same few thousand words again.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

namespace gpt {

// A word of up to 15 bytes as two numbers: its bytes, zeros, and its length in the last byte.
struct WordKey {
  static constexpr std::size_t kMaxLength = 15;
  std::uint64_t low, high;

  // `length` is 1 to kMaxLength; 16 bytes from `word` on can be read.
  static WordKey of(const char* word, std::size_t length) {
    WordKey key;
    std::memcpy(&key.low, word, 8);
    std::memcpy(&key.high, word + 8, 8);
    const std::size_t high_bits = length > 8 ? 8 * (length - 8) : 0;
    if (length < 8) key.low &= (std::uint64_t{1} << (8 * length)) - 1;
    key.high = (key.high & ((std::uint64_t{1} << high_bits) - 1)) | std::uint64_t{length} << 56;
    return key;
  }
  bool operator==(const WordKey&) const = default;
};

// Two words share a place; the one met longer ago gives way to a third.
class WordCache {
 public:
  static constexpr std::size_t kMaxIds = 3;
  struct Entry {
    WordKey key = {0, 0};  // of an empty entry: no word's
    std::array<std::int32_t, kMaxIds> ids = {};
    std::uint32_t count = 0;
  };

  WordCache() : places_(std::size_t{1} << kBits) {}

  // The entry of `key`, or nothing.
  const Entry* find(const WordKey& key) const {
    const Place& place = places_[index(key)];
    if (place.newer.key == key) return &place.newer;
    return place.older.key == key ? &place.older : nullptr;
  }

  // `ids`, at most kMaxIds.
  void insert(const WordKey& key, std::span<const std::int32_t> ids) {
    Place& place = places_[index(key)];
    place.older = place.newer;
    place.newer.key = key;
    place.newer.count = static_cast<std::uint32_t>(ids.size());
    std::copy(ids.begin(), ids.end(), place.newer.ids.begin());
  }

 private:
  struct alignas(64) Place {
    Entry newer, older;
  };
  static constexpr int kBits = 16;  // 4 MiB in all, of which the usual words touch little

  static std::size_t index(const WordKey& key) {
    const std::uint64_t mixed = (key.low * 0x9E3779B97F4A7C15u ^ key.high) * 0xD6E8FEB86659FD93u;
    return mixed >> (64 - kBits);
  }

  std::vector<Place> places_;
};

}  // namespace gpt
