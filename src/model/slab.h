// A part of a weight that a crew packs together for its products. Each thread multiplies rows of
// its own with the whole weight, and would else pack all of it for these few rows: with two threads
// a tenth of a product's time, with sixteen more than half of it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "gpt/kernels/product_set.h"

namespace gpt {

struct Slab {
  std::int64_t column, columns, depth, depths;  // where it begins in the right factor, and its size
};

// A right factor (inner, columns) in slabs of at most `bytes` when packed: in one, by inner
// indices, so that left factors are packed once for all slabs, or, where columns are more, by
// columns.
template <class X>
std::vector<Slab> slabs_of(const PackedProducts<X>& products, std::int64_t columns,
                           std::int64_t inner, std::int64_t bytes) {
  if (products.packed_bytes(columns, inner) <= bytes) return {{0, columns, 0, inner}};
  constexpr std::int64_t kDepth = 256;
  const bool by_depth = inner >= columns;
  const std::int64_t whole = by_depth ? inner : columns;
  const std::int64_t unit = by_depth ? kDepth : products.panel_columns;
  const std::int64_t unit_bytes =
      by_depth ? products.packed_bytes(columns, unit) : products.packed_bytes(unit, inner);
  const std::int64_t units = (whole + unit - 1) / unit;
  const std::int64_t most = std::max<std::int64_t>(1, bytes / unit_bytes);
  const std::int64_t count = (units + most - 1) / most, step = (units + count - 1) / count * unit;
  std::vector<Slab> slabs;
  for (std::int64_t begin = 0; begin < whole; begin += step) {
    const std::int64_t size = std::min(step, whole - begin);
    slabs.push_back(by_depth ? Slab{0, columns, begin, size} : Slab{begin, size, 0, inner});
  }
  return slabs;
}

}  // namespace gpt
