// The algorithms by which a GPU's library can compute the products of linear layers (matmul.h), one
// by one: what is proved right of them is what may run (device_choices.h). A CPU has none.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "gpt/kernels/device_choices.h"

namespace gpt {

// out = op(a) op(b) + bias, or out += op(a) op(b); all row-major, rows of neighbours that may lie
// apart.
struct MatmulArgs {
  at::Tensor a, b;
  bool transpose_a = false, transpose_b = false;
  at::Tensor out;
  at::Tensor bias = {};  // one per column of out, or undefined
  bool accumulate = false;
};

// Elements from one row to the next; a single row has a stride of its own only by chance.
std::int64_t row_stride(const at::Tensor& matrix);

// All that the library looks at when it suggests algorithms. Strides are from row to row, in
// elements. Alignments are of addresses, in bytes, at most 256; that of the bias is 0 where there
// is none.
struct MatmulShape {
  std::int64_t a_rows, a_columns, b_rows, b_columns;
  std::int64_t a_stride, b_stride, out_stride;
  bool transpose_a, transpose_b;
  at::ScalarType type, out_type;
  bool accumulate;
  std::int64_t align_a, align_b, align_out, align_bias;

  // "8192x768 * 768x2304^T BFloat16 -> BFloat16 + bias; 256 256 256 256": the key of
  // DeviceChoices::gemm.
  std::string text() const;
  // Multiplications and additions.
  double flops() const;
  bool operator==(const MatmulShape&) const = default;
};
MatmulShape shape_of(const MatmulArgs& args);

// The shapes that the library was asked for so far in this process, each once.
std::vector<MatmulShape> matmuls_seen();

// Random factors and a result of that shape, at those alignments.
MatmulArgs random_product(const MatmulShape& shape, const at::Device& device);
// What `out` should become, by at::mm.
at::Tensor expected_product(const MatmulArgs& args);

// The library's suggestions, its first one first.
std::vector<GemmAlgorithm> matmul_algorithms(const MatmulArgs& args);
// False if that algorithm does not run here; then nothing was done.
bool multiply_by(const MatmulArgs& args, const GemmAlgorithm& algorithm);

}  // namespace gpt
