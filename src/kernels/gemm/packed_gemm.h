// Products of matrices by blocks that fit the caches, as in Goto and van de Geijn 2008: a block of
// each side is copied into panels in the order in which the innermost kernel reads them. Included
// by one file per instruction set; see simd_math.h for why everything here is in its own
// namespace.
#pragma once

#include "column_block.h"
#include "k_range.h"
#include "packed_panels.h"

namespace gpt {
namespace GPT_ISA {
namespace {

// A block of a stays in the second cache while panels of b pass by, each asked for while the one
// before is in use.
template <class Kernel>
void packed_product(Extent size, ProductSide<typename Kernel::Element> a,
                    ProductSide<typename Kernel::Element> b, Packed packed_b, MutF32 c, Into into,
                    unsigned char* workspace) {
  const BlockSteps step = block_steps<Kernel>(size);
  unsigned char* const own = workspace + step.rows * step.depth * Kernel::kBytes;
  const RightPanels<Kernel> right(b, packed_b, size);
  const auto block = [&](const Strip<Kernel>& strip, int64_t row) {
    const int64_t rows = least(step.rows, size.rows - row);
    const int64_t padded = padded_depth<Kernel>(strip.depth);
    const auto left =
        Kernel::left(from(a, row, strip.k), rows, strip.depth, size.columns, workspace);
    for (int64_t column = strip.begin, width = 0; column < strip.end(); column += width) {
      width = right.width(column);
      const unsigned char* panel = strip.panel(column, row == 0);
      for (int64_t i = 0; i < rows; i += Kernel::kRows) {
        const int64_t rows_here = least(Kernel::kRows, rows - i);
        const Inner inner = that_count(size, row + i, rows_here, column);
        const Inner here = part_of<Kernel>(inner, strip.k, strip.depth);
        if (here.begin >= here.end) continue;
        strip.fetch_part(column + width, row == 0, i / Kernel::kRows,
                         pieces_of(rows, Kernel::kRows));
        Kernel::multiply(Kernel::panel(left, i, padded), panel, here,
                         c.data + (row + i) * c.stride + column, c.stride, rows_here, width,
                         into == Into::kAdd || strip.k > inner.begin);
      }
    }
  };
  const bool keeps = !right.packed && step.rows < size.rows;
  for (int64_t k = 0; k < size.inner; k += step.depth) {
    const int64_t depth = least(step.depth, size.inner - k);
    for (int64_t begin = 0, end = 0; begin < size.columns; begin = end) {
      const Strip<Kernel> strip(right, begin, k, depth, keeps, own);
      for (int64_t row = 0; row < size.rows; row += step.rows) block(strip, row);
      end = strip.end();
    }
  }
}

// Of block_steps of any size up to `most`: a block of a, and so many panels of b.
template <class Kernel>
int64_t blocks_bytes(Extent most, int64_t panels) {
  const int64_t rows =
      least(Kernel::kRowBlock, pieces_of(most.rows, Kernel::kRows) * Kernel::kRows);
  const int64_t depth = least(Kernel::kDepthBlock, padded_depth<Kernel>(most.inner));
  return (least(Kernel::kBlock, rows * depth) + panels * Kernel::kColumns * depth) * Kernel::kBytes;
}

template <class Kernel>
int64_t workspace_bytes(Extent most) {
  const bool strips = most.rows > Kernel::kBlock / Kernel::kDepthBlock;
  const int64_t panels = pieces_of(most.columns, Kernel::kColumns);
  return blocks_bytes<Kernel>(most, strips ? least(panels, Strip<Kernel>::kPanels) : 1);
}

template <class Kernel>
int64_t packed_bytes(int64_t columns, int64_t inner) {
  return pieces_of(columns, Kernel::kColumns) * Kernel::kColumns * padded_depth<Kernel>(inner) *
         Kernel::kBytes;
}

template <class Kernel>
void pack_columns(ProductSide<typename Kernel::Element> b, int64_t first, int64_t last,
                  int64_t columns, int64_t inner, unsigned char* to) {
  first = Kernel::panel_at(first, columns);
  last = Kernel::panel_at(last, columns);
  Kernel::pack_b(from(b, first, 0), last - first, inner,
                 to + first * padded_depth<Kernel>(inner) * Kernel::kBytes);
}

template <class Kernel>
constexpr PackedProducts<typename Kernel::Element> products_by(bool (*pays)(Extent)) {
  return {.multiply = packed_product<Kernel>,
          .pays = pays,
          .workspace_bytes = workspace_bytes<Kernel>,
          .packed_bytes = packed_bytes<Kernel>,
          .pack_b = pack_columns<Kernel>,
          .panel_columns = Kernel::kColumns};
}

}  // namespace
}  // namespace GPT_ISA
}  // namespace gpt
