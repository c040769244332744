// Whether our own products are worth taking on a CPU without tiles. MKL at its best is about as
// fast as they are, but on processors that are not Intel's it takes a slow path (float32 on an AMD
// Zen 5: half as fast as oneDNN) and has no switch against that. So it is measured.
//
// This never ran on an AMD processor. It was tried on an Intel one (Sapphire Rapids, its tiles left
// aside), MKL's time over ours:
//
//   MKL held to     our set       float32      bfloat16
//   SSE4.2          avx2          2.7 to 2.9   1.5 to 1.7
//   SSE4.2          avx512        3.6 to 3.8   2.1
//   SSE4.2          avx512bf16    3.7          1.3 to 1.5 (VDPBF16PS is slow on that processor)
//   the same width  avx2          1.0          -
//   the same width  avx512        0.9          0.6
//   the same width  avx512bf16    0.9          1.0
#pragma once

#include "gpt/kernels/product_set.h"

namespace gpt {

// Seconds for the same products on one thread.
struct ProductTimes {
  double mkl, own;
};

// Own products must be clearly faster (1.3 times): MKL is at its best or at half of it, so a bound
// between the two gives the same answer each time, and a run that goes on computes the same bits.
// On a processor whose ratio is near the bound the answer may change from run to run; the results
// of both are as exact.
bool own_products_pay(ProductTimes times);

// The least of several times each, taken in turn; a few milliseconds for both types together.
ProductTimes measure_f32(const ProductSet& set);
ProductTimes measure_bf16(const ProductSet& set);

// `set` for those types for which it pays, its products of the other type null.
ProductSet where_it_pays(const ProductSet& set, ProductTimes f32, ProductTimes bf16);

}  // namespace gpt
