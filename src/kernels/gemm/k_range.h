// Which inner indices a tile of a product needs, where a factor or the result is triangular.
#pragma once

#include "packed_panels.h"

namespace gpt {
namespace GPT_ISA {
namespace {

// [begin, end).
struct Inner {
  int64_t begin, end;
};

// The inner indices that count for `rows` rows of the result from (row, column) on; none: that part
// of it is not needed.
inline Inner that_count(const Extent& size, int64_t row, int64_t rows, int64_t column) {
  const int64_t diagonal = size.first + row;  // of the first row
  switch (size.triangle) {
    case Triangle::kResult:
      return {0, column < diagonal + rows ? size.inner : 0};
    case Triangle::kLeft:
      return {0, least(size.inner, diagonal + rows)};
    case Triangle::kLeftTransposed:
      return {most(0, row - size.first), size.inner};
    case Triangle::kNone:
      break;
  }
  return {0, size.inner};
}

// Those of them in [k, k + depth), counted from k, in whole multiples of kDepth.
template <class Kernel>
Inner part_of(Inner inner, int64_t k, int64_t depth) {
  const int64_t begin = most(0, inner.begin - k), end = least(depth, inner.end - k);
  return {begin / Kernel::kDepth * Kernel::kDepth, padded_depth<Kernel>(most(0, end))};
}

}  // namespace
}  // namespace GPT_ISA
}  // namespace gpt
