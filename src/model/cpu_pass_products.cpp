// Products with weights, which the threads of a crew pack together.
#include "cpu_pass.h"
#include "cpu_pass_types.h"

namespace gpt {

namespace {

// Where a block of a right factor begins in it.
template <class X>
GemmOperand<X> part_of(const GemmOperand<X>& side, const WeightBlock& block) {
  const std::int64_t at = side.k_contiguous ? block.column * side.stride + block.depth
                                            : block.depth * side.stride + block.column;
  return {side.data + at, side.stride, side.k_contiguous};
}

}  // namespace

// Two places in turn, so that one meeting is enough: whoever packs into the place of the block
// before last has met all others after their products with it.
template <class X>
const unsigned char* CpuPass<X>::pack_together(const WeightBlock& block, GemmOperand<X> weight) {
  const NativeGemm<X>& products = *native_gemm<X>();
  unsigned char* const place = buffers_.weight_block[turn_ ^= 1];
  const std::int64_t panel = products.panel_columns;
  const auto [begin, end] = crew_.share((block.columns + panel - 1) / panel);
  products.pack_b(part_of(weight, block), begin * panel, std::min(end * panel, block.columns),
                  block.columns, block.depths, place);
  crew_.meet();
  return place;
}

template <class X>
void CpuPass<X>::weight_product(GemmShape size, const X* a, GemmOperand<X> weight,
                                const unsigned char* kept, float* c) {
  const auto product = [&](const WeightBlock& block, const unsigned char* packed) {
    const GemmOperand<X> side = part_of(weight, block);
    const GemmShape part{size.M, block.columns, block.depths};
    const Matrix<const X> left{a + block.depth, size.K};
    const MatrixB<X> right{Matrix<const X>{side.data, side.stride}, {.data = packed}};
    const MutF32 to{c + block.column, size.N};
    const Into into = block.depth == 0 ? Into::kReplace : Into::kAdd;
    side.k_contiguous ? gemm_nt(part, left, right, to, into) : gemm_nn(part, left, right, to, into);
  };
  if (kept || !buffers_.weight_block[0]) return product({0, size.N, 0, size.K}, kept);
  const WeightBlocks blocks(*native_gemm<X>(), size.N, size.K, model_.shape.weight_block_bytes);
  for (std::int64_t index = 0; index < blocks.count(); ++index) {
    const WeightBlock block = blocks.at(index);
    product(block, pack_together(block, weight));
  }
}

template <class X>
void CpuPass<X>::forward_product(std::int64_t rows, const X* x, std::int64_t in,
                                 const CpuWeight& weight, std::int64_t out, float* y) {
  weight_product({rows, out, in}, x, {matrix_of<X>(weight), in, /*k_contiguous=*/true},
                 weight.packed_forward, y);
}

template <class X>
void CpuPass<X>::backward_product(std::int64_t rows, const X* dy, std::int64_t out,
                                  const CpuWeight& weight, std::int64_t in, float* dx) {
  weight_product({rows, in, out}, dy, {matrix_of<X>(weight), in, /*k_contiguous=*/false},
                 weight.packed_backward, dx);
}

template class CpuPass<float>;
template class CpuPass<Bf16>;

}  // namespace gpt
