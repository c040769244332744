// Skinny GEMM: y = x W^T + b for a handful of rows, which a decoder computes for each new token; of
// one row it is a GEMV. It reads the whole matrix for a few dot products, so memory sets its speed,
// which a library's GEMM, made for many rows, does not always reach.
#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace gpt {

// x_NI: float32, contiguous. weight_OI: float32 or bfloat16, contiguous. bias_O: float32, or
// undefined. All on the CPU. Returns (N, O) float32; sums are float32 whatever the weights are. Row
// n of the result does not depend on the other rows, to the last bit.
at::Tensor skinny_linear(const at::Tensor& x_NI, const at::Tensor& weight_OI,
                         const at::Tensor& bias_O);

// Whether skinny_linear can compute it and beats at::linear here.
bool skinny_linear_is_faster(std::int64_t rows, const at::Tensor& weight_OI);

}  // namespace gpt
