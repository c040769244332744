// A hash table from pairs of numbers to a number, for look-ups in the inner loop: open addressing
// in one array, filled once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace gpt {

class FlatMap {
 public:
  static constexpr std::uint32_t kNone = 0xFFFFFFFFu;

  explicit FlatMap(std::size_t most_entries) {
    std::size_t slots = 16;
    while (slots < 2 * most_entries) slots *= 2;
    for (std::size_t n = slots; n > 1; n /= 2) --shift_;
    slots_.resize(slots, {kEmpty, kNone});
  }

  void insert(std::uint32_t first, std::uint32_t second, std::uint32_t value) {
    std::size_t slot = place(key(first, second));
    while (slots_[slot].key != kEmpty) slot = (slot + 1) & (slots_.size() - 1);
    slots_[slot] = {key(first, second), value};
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

  static std::uint64_t key(std::uint32_t first, std::uint32_t second) {
    return (std::uint64_t{first} << 32) | second;
  }
  // Fibonacci hashing: the product's upper bits depend on all bits of the key.
  std::size_t place(std::uint64_t key) const {
    return static_cast<std::size_t>((key * 0x9E3779B97F4A7C15u) >> shift_);
  }

  int shift_ = 64;
  std::vector<Slot> slots_;
};

}  // namespace gpt
