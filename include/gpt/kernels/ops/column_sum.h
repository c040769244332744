// Sums over the rows of a matrix, added to a vector: gradients of biases and of the like. On CUDA
// without atomics: the same bits every time.
#pragma once

#include <ATen/core/Tensor.h>

namespace gpt {

// out += in.sum(0), summed in out's type. in (N, O): contiguous, any floating type; out: float64
// for a float64 `in`, else float32.
void add_column_sums_(const at::Tensor& in_NO, const at::Tensor& out_O);
void plain_add_column_sums_(const at::Tensor& in_NO, const at::Tensor& out_O);

// The same for few rows, of out's own type, which may lie apart in memory.
void add_rows_(const at::Tensor& in_NO, const at::Tensor& out_O);

}  // namespace gpt
