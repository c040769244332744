// Products with weights, which the threads of a crew pack together.
#include "cpu_pass.h"
#include "cpu_pass_types.h"

namespace gpt {

namespace {

// Element (column, k) of the right factor of both products.
template <class X>
const X* at(const ProductSide<X>& side, const Slab& slab) {
  return side.along ? side.data + slab.column * side.stride + slab.depth
                    : side.data + slab.depth * side.stride + slab.column;
}

Into into(const Slab& slab) {
  return slab.depth == 0 ? Into::kReplace : Into::kAdd;
}

}  // namespace

// Two places in turn, so that one meeting is enough: whoever packs into the place of the slab
// before last has met all others after their products with it.
template <class X>
unsigned char* CpuPass<X>::share_slab(const Slab& slab, ProductSide<X> weight) {
  const PackedProducts<X>& products = *own_products<X>();
  unsigned char* const place = buffers_.slab[turn_ ^= 1];
  const std::int64_t panel = products.panel_columns;
  const auto [begin, end] = crew_.share((slab.columns + panel - 1) / panel);
  products.pack_b({at(weight, slab), weight.stride, weight.along}, begin * panel,
                  std::min(end * panel, slab.columns), slab.columns, slab.depths, place);
  crew_.meet();
  return place;
}

template <class X>
void CpuPass<X>::forward_product(std::int64_t rows, const X* x, std::int64_t in,
                                 const CpuWeight& weight, std::int64_t out, float* y) {
  const Matrix<const X> w = matrix_of<X>(weight, in);
  if (weight.packed_forward || !buffers_.slab[0])
    return product_nt({rows, out, in}, {x, in}, {w, {.data = weight.packed_forward}}, {y, out},
                      Into::kReplace);
  const ProductSide<X> side{w.data, in, /*along=*/true};
  const Slabs slabs(*own_products<X>(), out, in, model_.shape.slab_bytes);
  for (std::int64_t index = 0; index < slabs.count(); ++index) {
    const Slab slab = slabs.at(index);
    const unsigned char* packed = share_slab(slab, side);
    product_nt({rows, slab.columns, slab.depths}, {x + slab.depth, in},
               {Matrix<const X>{at(side, slab), in}, {.data = packed}}, {y + slab.column, out},
               into(slab));
  }
}

template <class X>
void CpuPass<X>::backward_product(std::int64_t rows, const X* dy, std::int64_t out,
                                  const CpuWeight& weight, std::int64_t in, float* dx) {
  const Matrix<const X> w = matrix_of<X>(weight, in);
  if (weight.packed_backward || !buffers_.slab[0])
    return product_nn({rows, in, out}, {dy, out}, {w, {.data = weight.packed_backward}}, {dx, in},
                      Into::kReplace);
  const ProductSide<X> side{w.data, in, /*along=*/false};
  const Slabs slabs(*own_products<X>(), in, out, model_.shape.slab_bytes);
  for (std::int64_t index = 0; index < slabs.count(); ++index) {
    const Slab slab = slabs.at(index);
    const unsigned char* packed = share_slab(slab, side);
    product_nn({rows, slab.columns, slab.depths}, {dy + slab.depth, out},
               {Matrix<const X>{at(side, slab), in}, {.data = packed}}, {dx + slab.column, in},
               into(slab));
  }
}

template class CpuPass<float>;
template class CpuPass<Bf16>;

}  // namespace gpt
