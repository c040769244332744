// Our own ways to compute the products of gemm.h on one thread, where they beat MKL: one set per
// instruction set.
#pragma once

#include <stdint.h>
#include <string>
#include <vector>

#include "gpt/kernels/gemm/gemm.h"

namespace gpt {

// One factor of c (rows, columns) = sum over k: element (i, k), where i is a row of the result for
// the left factor and a column for the right one.
template <class T>
struct ProductSide {
  const T* data;
  int64_t stride;
  bool along;  // k runs along the rows in memory: data[i * stride + k]; else data[k * stride + i]
};

// Products of one type. All memory begins on a cache line.
template <class T>
struct PackedProducts {
  // c = a b or c += a b. packed_b: what pack_b made of b, if it did. workspace: workspace_bytes of
  // that size or a larger one. Leaves out what size.triangle says is not needed.
  void (*multiply)(Extent size, ProductSide<T> a, ProductSide<T> b, Packed packed_b, MutF32 c,
                   Into into, unsigned char* workspace);
  // Is it as fast as MKL at least?
  bool (*pays)(Extent size);
  int64_t (*workspace_bytes)(Extent most);
  // A right factor in the order in which multiply reads it, for use in many products: bytes of it,
  // and its columns [first, last) of `columns`, each a multiple of panel_columns or the end. Some
  // panel at the end may be packed with the piece behind it, so all pieces are needed.
  int64_t (*packed_bytes)(int64_t columns, int64_t inner);
  void (*pack_b)(ProductSide<T> b, int64_t first, int64_t last, int64_t columns, int64_t inner,
                 unsigned char* to);
  int64_t panel_columns;
  // multiply packs right factors in the shadow of its arithmetic, where there are rows enough.
  bool packs_beside = false;
};

struct ProductSet {
  const char* name;
  PackedProducts<float> f32;
  PackedProducts<Bf16> bf16;

  template <class T>
  const PackedProducts<T>& of() const {
    if constexpr (sizeof(T) == sizeof(float))
      return f32;
    else
      return bf16;
  }
};

// What this CPU can run; for tests.
std::vector<const ProductSet*> runnable_product_sets();

// `best`, this CPU's best set or null, if it beats MKL. With tiles (AMX) it does; without them only
// on processors that are not Intel's, where MKL takes a path of its own and has no switch against
// it: on an AMD Zen 3 ours take 0.85 to 1.0 of its time for the products of a training step, on a
// Zen 5 MKL's float32 reaches half of oneDNN's. On an Intel CPU MKL is as fast as ours for AVX2 and
// 1.1 times as fast for AVX-512 (both measured on a Sapphire Rapids, its tiles left aside).
// No measurement at the start: what follows from the processor alone is always the same on it, so
// that a run that goes on computes the same bits.
const ProductSet* set_that_pays(const ProductSet* best, bool intel);

// The set that the products of this process use. Null: all of them are MKL's.
const ProductSet* product_set();

// Its name, or "MKL's".
std::string products_text();

// Its products of float or Bf16; null: they are MKL's.
template <class T>
const PackedProducts<T>* own_products() {
  const ProductSet* set = product_set();
  return set ? &set->of<T>() : nullptr;
}

// The same for a model of this width: in a narrow one they gain less than their memory is worth.
template <class T>
const PackedProducts<T>* own_products(int64_t width) {
  constexpr int64_t kNarrow = 64;
  return width < kNarrow ? nullptr : own_products<T>();
}

// Those of this thread.
template <class T>
const PackedProducts<T>* own_products_here() {
  return has_product_space() ? own_products<T>() : nullptr;
}

}  // namespace gpt
