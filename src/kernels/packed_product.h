// Products of matrices by blocks that fit the caches, as in Goto and van de Geijn 2008: a block of
// each side is copied into panels in the order in which the innermost kernel reads them. Included
// by one file per instruction set; see vector_math.h for why everything here is in its own
// namespace.
#pragma once

#include "inner_indices.h"
#include "packed_panels.h"

namespace gpt {
namespace GPT_ISA {
namespace {

// A block of a stays in the second cache while panels of b pass by, each asked for from memory
// while the one before is in use.
template <class Kernel>
void packed_product(Extent size, ProductSide<typename Kernel::Element> a,
                    ProductSide<typename Kernel::Element> b, Packed packed_b, MutF32 c, Into into,
                    unsigned char* workspace) {
  const BlockSteps step = block_steps<Kernel>(size);
  const RightPanels<Kernel> right(b, packed_b, workspace + step.rows * step.depth * Kernel::kBytes,
                                  size);
  for (int64_t k = 0; k < size.inner; k += step.depth) {
    const int64_t depth = least(step.depth, size.inner - k);
    const int64_t padded = padded_depth<Kernel>(depth);
    for (int64_t row = 0; row < size.rows; row += step.rows) {
      const int64_t rows = least(step.rows, size.rows - row);
      const auto left = Kernel::left(from(a, row, k), rows, depth, size.columns, workspace);
      for (int64_t column = 0, width = 0; column < size.columns; column += width) {
        width = right.width(column);
        const unsigned char* panel = right.at(column, k, depth);
        for (int64_t i = 0; i < rows; i += Kernel::kRows) {
          const int64_t rows_here = least(Kernel::kRows, rows - i);
          const Inner inner = that_count(size, row + i, rows_here, column);
          const Inner here = part_of<Kernel>(inner, k, depth);
          if (here.begin >= here.end) continue;
          right.fetch_part(column + width, k, depth, i / Kernel::kRows,
                           pieces_of(rows, Kernel::kRows));
          Kernel::multiply(Kernel::panel(left, i, padded), panel, here,
                           c.data + (row + i) * c.stride + column, c.stride, rows_here, width,
                           into == Into::kAdd || k > inner.begin);
        }
      }
    }
  }
}

// Of block_steps of any size up to `most`.
template <class Kernel>
int64_t workspace_bytes(Extent most) {
  const int64_t rows =
      least(Kernel::kRowBlock, pieces_of(most.rows, Kernel::kRows) * Kernel::kRows);
  const int64_t depth = least(Kernel::kDepthBlock, padded_depth<Kernel>(most.inner));
  return (least(Kernel::kBlock, rows * depth) + Kernel::kColumns * depth) * Kernel::kBytes;
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
