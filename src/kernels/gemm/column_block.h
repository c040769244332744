// The outermost loop of a GEMM: columns of C whose panels of B are multiplied with all of A before
// those of others.
#pragma once

#include "blocking.h"

namespace gpt {
namespace GPT_ISA {
namespace {

// The panels of B of a column block, for one block of indices k. They are packed for the first
// block of A and kept for the others, in the third cache at worst; where B was packed before, or A
// is one block, the column block is all of B, and nothing is kept.
template <class Kernel>
class ColumnBlock {
 public:
  static constexpr int64_t kPanels = 64;

  const int64_t begin, k, depth;  // its first column, its indices k

  ColumnBlock(const PanelsB<Kernel>& b, int64_t column, int64_t index, int64_t count, bool keeps,
              unsigned char* memory)
      : begin(column), k(index), depth(count), b_(b), keeps_(keeps), memory_(memory) {
    if (!keeps) end_ = b.columns;
    for (int64_t panel = 0; keeps && panel < kPanels && end_ < b.columns; ++panel)
      end_ += b.width(end_);
  }

  int64_t end() const { return end_; }
  // The panel from `column` on, for the first block of A or a later one.
  const unsigned char* panel(int64_t column, bool first) const {
    if (b_.packed) return b_.packed_at(column, k);
    if (first) b_.pack(column, k, depth, place(column));
    return place(column);
  }
  // Prefetches part `part` of `parts` of what makes that panel.
  void prefetch_part(int64_t column, bool first, int64_t part, int64_t parts) const {
    if (column >= end_) return;
    const int64_t bytes = Kernel::kNR * depth * Kernel::kBytes;
    if (b_.packed)
      prefetch(b_.packed_at(column, k), bytes, part, parts);
    else if (first)
      prefetch(from(b_.side, column, k), b_.width(column), depth, part, parts);
    else
      prefetch(place(column), bytes, part, parts);
  }

 private:
  unsigned char* place(int64_t column) const {
    return memory_ + (keeps_ ? (column - begin) * padded_k<Kernel>(depth) * Kernel::kBytes : 0);
  }

  const PanelsB<Kernel>& b_;
  bool keeps_;
  unsigned char* memory_;
  int64_t end_ = begin;
};

}  // namespace
}  // namespace GPT_ISA
}  // namespace gpt
