// GEMM by blocks that fit the caches, as in Goto and van de Geijn 2008 and BLIS: a block of A and
// one of B are packed into panels in the order in which the microkernel reads them. One file per
// instruction set includes this; simd_math.h says why everything here is in its own namespace.
#pragma once

#include "blocking.h"
#include "column_block.h"

namespace gpt {
namespace GPT_ISA {
namespace {

// A block of A stays in the second cache while panels of B pass by, each prefetched while the one
// before is in use.
template <class Kernel>
void packed_gemm(GemmShape size, GemmOperand<typename Kernel::Element> a,
                 GemmOperand<typename Kernel::Element> b, PackedB packed_b, MutF32 c, Into into,
                 unsigned char* workspace) {
  const Blocking step = choose_blocking<Kernel>(size);
  unsigned char* const panels = workspace + step.rows * step.depth * Kernel::kBytes;
  const PanelsB<Kernel> panels_b(b, packed_b, size);
  const auto block = [&](const ColumnBlock<Kernel>& column_block, int64_t row) {
    const int64_t rows = smaller_of(step.rows, size.M - row);
    const int64_t padded = padded_k<Kernel>(column_block.depth);
    const auto block_a =
        Kernel::block_a(from(a, row, column_block.k), rows, column_block.depth, size.N, workspace);
    for (int64_t column = column_block.begin, width = 0; column < column_block.end();
         column += width) {
      width = panels_b.width(column);
      const unsigned char* panel = column_block.panel(column, row == 0);
      for (int64_t i = 0; i < rows; i += Kernel::kMR) {
        const int64_t rows_here = smaller_of(Kernel::kMR, rows - i);
        const KRange needed = needed_k(size, row + i, rows_here, column);
        const KRange here = clip_k<Kernel>(needed, column_block.k, column_block.depth);
        if (here.begin >= here.end) continue;
        column_block.prefetch_part(column + width, row == 0, i / Kernel::kMR,
                                   ceil_div(rows, Kernel::kMR));
        Kernel::multiply(Kernel::panel(block_a, i, padded), panel, here,
                         c.data + (row + i) * c.stride + column, c.stride, rows_here, width,
                         into == Into::kAdd || column_block.k > needed.begin);
      }
    }
  };
  const bool keeps = !panels_b.packed && step.rows < size.M;
  for (int64_t k = 0; k < size.K; k += step.depth) {
    const int64_t depth = smaller_of(step.depth, size.K - k);
    for (int64_t begin = 0, end = 0; begin < size.N; begin = end) {
      const ColumnBlock<Kernel> column_block(panels_b, begin, k, depth, keeps, panels);
      for (int64_t row = 0; row < size.M; row += step.rows) block(column_block, row);
      end = column_block.end();
    }
  }
}

// The bytes that choose_blocking needs for any size up to `most`: for a block of A, and for so many
// panels of B.
template <class Kernel>
int64_t blocks_bytes(GemmShape most, int64_t panels) {
  const int64_t rows = smaller_of(Kernel::kMC, ceil_div(most.M, Kernel::kMR) * Kernel::kMR);
  const int64_t depth = smaller_of(Kernel::kKC, padded_k<Kernel>(most.K));
  return (smaller_of(Kernel::kBlockElements, rows * depth) + panels * Kernel::kNR * depth) *
         Kernel::kBytes;
}

template <class Kernel>
int64_t workspace_bytes(GemmShape most) {
  const bool several = most.M > Kernel::kBlockElements / Kernel::kKC;
  const int64_t panels = ceil_div(most.N, Kernel::kNR);
  return blocks_bytes<Kernel>(most, several ? smaller_of(panels, ColumnBlock<Kernel>::kPanels) : 1);
}

template <class Kernel>
int64_t packed_bytes(int64_t columns, int64_t depth) {
  return ceil_div(columns, Kernel::kNR) * Kernel::kNR * padded_k<Kernel>(depth) * Kernel::kBytes;
}

template <class Kernel>
void pack_b_columns(GemmOperand<typename Kernel::Element> b, int64_t first, int64_t last,
                    int64_t columns, int64_t depth, unsigned char* to) {
  first = Kernel::panel_at(first, columns);
  last = Kernel::panel_at(last, columns);
  Kernel::pack_b(from(b, first, 0), last - first, depth,
                 to + first * padded_k<Kernel>(depth) * Kernel::kBytes);
}

template <class Kernel>
constexpr NativeGemm<typename Kernel::Element> make_native_gemm(bool (*is_faster)(GemmShape)) {
  return {.multiply = packed_gemm<Kernel>,
          .is_faster = is_faster,
          .workspace_bytes = workspace_bytes<Kernel>,
          .packed_bytes = packed_bytes<Kernel>,
          .pack_b = pack_b_columns<Kernel>,
          .panel_columns = Kernel::kNR};
}

}  // namespace
}  // namespace GPT_ISA
}  // namespace gpt
