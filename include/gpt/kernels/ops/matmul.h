// The three matmuls of a linear layer y = x W^T + b. Weights are (out, in). Sums are float32 for
// half types, on the CPU and on tensor cores.
#pragma once

#include <ATen/core/Tensor.h>

namespace gpt {

// All of one type; bias may be undefined. On CUDA the bias is added in the epilogue.
at::Tensor linear(const at::Tensor& x_NI, const at::Tensor& weight_OI, const at::Tensor& bias_O);

// x W^T into a tensor whose rows may lie apart.
void linear_out(const at::Tensor& x_NI, const at::Tensor& weight_OI, const at::Tensor& out_NO);

// dy W.
at::Tensor linear_input_gradient(const at::Tensor& dy_NO, const at::Tensor& weight_OI);

// gradient += dy^T x, summed in the gradient's type: the matmul of half types never rounds to one,
// so that the number of summands (chunks, micro-batches) does not show. dy's rows may lie apart.
void add_weight_gradient_(const at::Tensor& dy_NO, const at::Tensor& x_NI,
                          const at::Tensor& gradient_OI);

}  // namespace gpt
