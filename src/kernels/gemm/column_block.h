// Panels of a product's right factor that meet all of the left one before others do.
#pragma once

#include "packed_panels.h"

namespace gpt {
namespace GPT_ISA {
namespace {

// Of one block of inner indices. Packed for the first block of a and kept for the others, in the
// third cache at worst; where b was packed before, or there is one block of a, the strip is all of
// b, and nothing is kept.
template <class Kernel>
class Strip {
 public:
  static constexpr int64_t kPanels = 64;

  const int64_t begin, k, depth;  // its first column, its inner indices

  Strip(const RightPanels<Kernel>& right, int64_t column, int64_t index, int64_t count, bool keeps,
        unsigned char* memory)
      : begin(column), k(index), depth(count), right_(right), keeps_(keeps), memory_(memory) {
    if (!keeps) end_ = right.columns;
    for (int64_t panel = 0; keeps && panel < kPanels && end_ < right.columns; ++panel)
      end_ += right.width(end_);
  }

  int64_t end() const { return end_; }
  // The panel from `column` on, for the first block of a or a later one.
  const unsigned char* panel(int64_t column, bool first) const {
    if (right_.packed) return right_.packed_at(column, k);
    if (first) right_.pack(column, k, depth, place(column));
    return place(column);
  }
  // Asks for part `part` of `parts` of what makes that panel.
  void fetch_part(int64_t column, bool first, int64_t part, int64_t parts) const {
    if (column >= end_) return;
    const int64_t bytes = Kernel::kColumns * depth * Kernel::kBytes;
    if (right_.packed)
      fetch(right_.packed_at(column, k), bytes, part, parts);
    else if (first)
      fetch(from(right_.side, column, k), right_.width(column), depth, part, parts);
    else
      fetch(place(column), bytes, part, parts);
  }

 private:
  unsigned char* place(int64_t column) const {
    return memory_ + (keeps_ ? (column - begin) * padded_depth<Kernel>(depth) * Kernel::kBytes : 0);
  }

  const RightPanels<Kernel>& right_;
  bool keeps_;
  unsigned char* memory_;
  int64_t end_ = begin;
};

}  // namespace
}  // namespace GPT_ISA
}  // namespace gpt
