// A hash table from pairs of numbers to a number, for look-ups in the inner loop: open addressing
// in one array, at most half full.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace gpt {

class FlatMap {
 public:
  static constexpr std::uint32_t kNone = 0xFFFFFFFFu;

  FlatMap() : slots_(16, kFree) {}

  // The pair must not be there yet.
  void insert(std::uint32_t first, std::uint32_t second, std::uint32_t value) {
    if (2 * ++entries_ > slots_.size()) grow();
    put({key(first, second), value});
  }

  // kNone if the pair is not there.
  std::uint32_t find(std::uint32_t first, std::uint32_t second) const {
    const std::uint64_t wanted = key(first, second);
    for (std::size_t slot = place(wanted);; slot = (slot + 1) & (slots_.size() - 1)) {
      if (slots_[slot].key == wanted) return slots_[slot].value;
      if (slots_[slot].key == kEmpty) return kNone;
    }
  }

 private:
  struct Slot {
    std::uint64_t key;
    std::uint32_t value;
  };
  static constexpr std::uint64_t kEmpty = ~std::uint64_t{0};
  static constexpr Slot kFree = {kEmpty, kNone};

  void put(const Slot& entry) {
    std::size_t slot = place(entry.key);
    while (slots_[slot].key != kEmpty) slot = (slot + 1) & (slots_.size() - 1);
    slots_[slot] = entry;
  }
  void grow() {
    const std::vector<Slot> before = std::move(slots_);
    slots_.assign(2 * before.size(), kFree);
    --shift_;
    for (const Slot& entry : before)
      if (entry.key != kEmpty) put(entry);
  }

  static std::uint64_t key(std::uint32_t first, std::uint32_t second) {
    return (std::uint64_t{first} << 32) | second;
  }
  // Fibonacci hashing: the product's upper bits depend on all bits of the key.
  std::size_t place(std::uint64_t key) const {
    return static_cast<std::size_t>((key * 0x9E3779B97F4A7C15u) >> shift_);
  }

  std::vector<Slot> slots_;  // a power of two of them
  int shift_ = 60;           // 64 less its exponent
  std::size_t entries_ = 0;
};

}  // namespace gpt
