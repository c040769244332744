// One stretch of memory in pieces.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

namespace gpt {

// Hands out cache-line aligned pieces of a stretch of bytes; with a null base it only counts them.
class Arena {
 public:
  explicit Arena(std::byte* base) : base_(base) {}
  template <class T>
  T* take(std::int64_t count) {
    const std::int64_t begin =
        std::exchange(used_, used_ + (count * static_cast<std::int64_t>(sizeof(T)) + 63) / 64 * 64);
    return base_ ? reinterpret_cast<T*>(base_ + begin) : nullptr;
  }
  std::int64_t used() const { return used_; }  // bytes

 private:
  std::byte* base_;
  std::int64_t used_ = 0;
};

}  // namespace gpt
