// Products with weights, which the threads of a crew pack together.
#include "cpu_pass.h"
#include "cpu_pass_types.h"

namespace gpt {

namespace {

// Where a slab of a right factor begins in it.
template <class X>
ProductSide<X> part_of(const ProductSide<X>& side, const Slab& slab) {
  const std::int64_t at =
      side.along ? slab.column * side.stride + slab.depth : slab.depth * side.stride + slab.column;
  return {side.data + at, side.stride, side.along};
}

}  // namespace

// Two places in turn, so that one meeting is enough: whoever packs into the place of the slab
// before last has met all others after their products with it.
template <class X>
const unsigned char* CpuPass<X>::share_slab(const Slab& slab, ProductSide<X> weight) {
  const PackedProducts<X>& products = *own_products<X>();
  unsigned char* const place = buffers_.slab[turn_ ^= 1];
  const std::int64_t panel = products.panel_columns;
  const auto [begin, end] = crew_.share((slab.columns + panel - 1) / panel);
  products.pack_b(part_of(weight, slab), begin * panel, std::min(end * panel, slab.columns),
                  slab.columns, slab.depths, place);
  crew_.meet();
  return place;
}

template <class X>
void CpuPass<X>::weight_product(Extent size, const X* a, ProductSide<X> weight,
                                const unsigned char* kept, float* c) {
  const auto product = [&](const Slab& slab, const unsigned char* packed) {
    const ProductSide<X> side = part_of(weight, slab);
    const Extent part{size.rows, slab.columns, slab.depths};
    const Matrix<const X> left{a + slab.depth, size.inner};
    const RightFactor<X> right{Matrix<const X>{side.data, side.stride}, {.data = packed}};
    const MutF32 to{c + slab.column, size.columns};
    const Into into = slab.depth == 0 ? Into::kReplace : Into::kAdd;
    side.along ? product_nt(part, left, right, to, into) : product_nn(part, left, right, to, into);
  };
  if (kept || !buffers_.slab[0]) return product({0, size.columns, 0, size.inner}, kept);
  const Slabs slabs(*own_products<X>(), size.columns, size.inner, model_.shape.slab_bytes);
  for (std::int64_t index = 0; index < slabs.count(); ++index) {
    const Slab slab = slabs.at(index);
    product(slab, share_slab(slab, weight));
  }
}

template <class X>
void CpuPass<X>::forward_product(std::int64_t rows, const X* x, std::int64_t in,
                                 const CpuWeight& weight, std::int64_t out, float* y) {
  weight_product({rows, out, in}, x, {matrix_of<X>(weight), in, /*along=*/true},
                 weight.packed_forward, y);
}

template <class X>
void CpuPass<X>::backward_product(std::int64_t rows, const X* dy, std::int64_t out,
                                  const CpuWeight& weight, std::int64_t in, float* dx) {
  weight_product({rows, in, out}, dy, {matrix_of<X>(weight), in, /*along=*/false},
                 weight.packed_backward, dx);
}

template class CpuPass<float>;
template class CpuPass<Bf16>;

}  // namespace gpt
