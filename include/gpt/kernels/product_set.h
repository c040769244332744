// Our own ways to compute the products of product.h on one thread, where they beat MKL: one set per
// instruction set. product_choice.h says when one is taken.
#pragma once

#include <stdint.h>
#include <string>
#include <vector>

#include "gpt/kernels/product.h"

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
  // c = a b or c += a b. packed_b: what pack_b made of b, or null. workspace: workspace_bytes of
  // that size or a larger one. Null in a chosen set: MKL's are faster.
  void (*multiply)(Extent size, ProductSide<T> a, ProductSide<T> b, const unsigned char* packed_b,
                   MutF32 c, Into into, unsigned char* workspace);
  // Is it as fast as MKL at least?
  bool (*pays)(Extent size);
  int64_t (*workspace_bytes)(Extent most);
  // A right factor in the order in which multiply reads it, for use in many products: bytes of it,
  // and its columns [first, last), where first is a multiple of panel_columns.
  int64_t (*packed_bytes)(int64_t columns, int64_t inner);
  void (*pack_b)(ProductSide<T> b, int64_t first, int64_t last, int64_t inner, unsigned char* to);
  int64_t panel_columns;
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

// The set that the products of this process use, always the same on a machine, so that a run that
// goes on computes the same bits. Null: all of them are MKL's. The first call may measure, for a
// few milliseconds.
const ProductSet* product_set();

// That in words: "amx", "avx2 for float32, MKL's for bfloat16", "MKL's".
std::string products_text();

// Its products of float or Bf16; null: they are MKL's.
template <class T>
const PackedProducts<T>* own_products() {
  const ProductSet* set = product_set();
  return set && set->of<T>().multiply ? &set->of<T>() : nullptr;
}

// The same for a model of this width: in a narrow one they gain less than their memory is worth.
template <class T>
const PackedProducts<T>* own_products(int64_t width) {
  constexpr int64_t kNarrow = 64;
  return width < kNarrow ? nullptr : own_products<T>();
}

}  // namespace gpt
