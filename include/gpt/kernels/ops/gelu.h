// GELU and its gradient; see gelu_math.h in the sources for the formulas. tanh: OpenAI's
// approximation, else by erf.
#pragma once

#include <ATen/core/Tensor.h>

namespace gpt {

// Of a contiguous tensor.
at::Tensor gelu(const at::Tensor& x, bool tanh);
at::Tensor plain_gelu(const at::Tensor& x, bool tanh);

// up *= gelu'(x), in place.
void gelu_backward_(const at::Tensor& x, const at::Tensor& up, bool tanh);
void plain_gelu_backward_(const at::Tensor& x, const at::Tensor& up, bool tanh);

// The same, and dbias += the sums over up's rows, in one pass: the gradient of the bias of a layer
// whose output x is. x and up (N, O); dbias as in column_sum.h.
void gelu_bias_backward_(const at::Tensor& x_NO, const at::Tensor& up_NO, bool tanh,
                         const at::Tensor& dbias_O);

}  // namespace gpt
