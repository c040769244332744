// A block of a weight that the threads of a group pack together. Each thread multiplies rows of
// its own with the whole weight, and would else pack all of it for these rows, which are the fewer
// the more threads there are.
#pragma once

#include <algorithm>
#include <cstdint>

#include "gpt/kernels/gemm/gemm_backend.h"

namespace gpt {

struct WeightBlock {
  std::int64_t column, columns, depth, depths;  // where it begins in matrix B, and its size
};

// How a matrix B (K, N) is cut into blocks of at most `bytes` when packed: not at all, by indices
// k, so that A is packed once for all blocks, or, where N is larger, by columns. No heap memory: a
// thread that fails between barriers would leave the others waiting.
class WeightBlocks {
 public:
  template <class X>
  WeightBlocks(const NativeGemm<X>& native, std::int64_t columns, std::int64_t inner,
               std::int64_t bytes)
      : columns_(columns), inner_(inner), by_depth_(inner >= columns), step_(whole()) {
    if (native.packed_bytes(columns, inner) <= bytes) return;
    constexpr std::int64_t kDepth = 256;
    const std::int64_t unit = by_depth_ ? kDepth : native.panel_columns;
    const std::int64_t unit_bytes =
        by_depth_ ? native.packed_bytes(columns, unit) : native.packed_bytes(unit, inner);
    const std::int64_t units = (whole() + unit - 1) / unit;
    const std::int64_t most = std::max<std::int64_t>(1, bytes / unit_bytes);
    const std::int64_t count = (units + most - 1) / most;
    step_ = (units + count - 1) / count * unit;
  }

  std::int64_t count() const { return (whole() + step_ - 1) / step_; }
  WeightBlock at(std::int64_t index) const {
    const std::int64_t begin = index * step_, size = std::min(step_, whole() - begin);
    return by_depth_ ? WeightBlock{0, columns_, begin, size} : WeightBlock{begin, size, 0, inner_};
  }

 private:
  std::int64_t whole() const { return by_depth_ ? inner_ : columns_; }

  std::int64_t columns_, inner_;
  bool by_depth_;
  std::int64_t step_;
};

}  // namespace gpt
