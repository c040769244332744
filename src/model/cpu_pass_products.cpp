// GEMMs with weights, which the threads of a group pack together.
#include "cpu_pass.h"
#include "cpu_pass_types.h"

namespace gpt {

namespace {

// The part of matrix B that is a block of it.
template <class X>
GemmOperand<X> part_of(const GemmOperand<X>& side, const WeightBlock& block) {
  const std::int64_t at = side.k_contiguous ? block.column * side.stride + block.depth
                                            : block.depth * side.stride + block.column;
  return {side.data + at, side.stride, side.k_contiguous};
}

}  // namespace

// Two buffers in turn, so that one barrier is enough: whoever packs into the buffer of the block
// before last has waited for all others after their GEMMs with it.
template <class X>
const unsigned char* CpuPass<X>::pack_together(const WeightBlock& block, GemmOperand<X> weight) {
  const NativeGemm<X>& native = *native_gemm<X>();
  unsigned char* const place = buffers_.weight_block[turn_ ^= 1];
  const std::int64_t panel = native.panel_columns;
  const auto [begin, end] = threads_.partition((block.columns + panel - 1) / panel);
  native.pack_b(part_of(weight, block), begin * panel, std::min(end * panel, block.columns),
                block.columns, block.depths, place);
  threads_.wait();
  return place;
}

template <class X>
void CpuPass<X>::weight_product(GemmShape size, const X* a, GemmOperand<X> weight,
                                const unsigned char* kept, float* c) {
  const auto product = [&](const WeightBlock& block, const unsigned char* packed) {
    const GemmOperand<X> side = part_of(weight, block);
    const GemmShape part{size.M, block.columns, block.depths};
    const Matrix<const X> matrix_a{a + block.depth, size.K};
    const MatrixB<X> matrix_b{Matrix<const X>{side.data, side.stride}, {.data = packed}};
    const MutF32 to{c + block.column, size.N};
    const Into into = block.depth == 0 ? Into::kReplace : Into::kAdd;
    side.k_contiguous ? gemm_nt(part, matrix_a, matrix_b, to, into)
                      : gemm_nn(part, matrix_a, matrix_b, to, into);
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
