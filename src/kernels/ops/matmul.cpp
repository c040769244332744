#include "gpt/kernels/ops/matmul.h"

#include "kernels/cuda/matmul_backend.h"

namespace gpt {

at::Tensor linear(const at::Tensor& x_NI, const at::Tensor& weight_OI, const at::Tensor& bias_O) {
  if (multiplies(x_NI)) {
    const at::Tensor y_NO = at::empty({x_NI.size(0), weight_OI.size(0)}, x_NI.options());
    if (multiply({.a = x_NI, .b = weight_OI, .transpose_b = true, .out = y_NO, .bias = bias_O}))
      return y_NO;
  }
  if (bias_O.defined()) return at::addmm(bias_O, x_NI, weight_OI.t());
  return at::mm(x_NI, weight_OI.t());
}

void linear_out(const at::Tensor& x_NI, const at::Tensor& weight_OI, const at::Tensor& out_NO) {
  if (multiplies(x_NI) && multiply({.a = x_NI, .b = weight_OI, .transpose_b = true, .out = out_NO}))
    return;
  at::Tensor out = out_NO;
  at::mm_out(out, x_NI, weight_OI.t());
}

at::Tensor linear_input_gradient(const at::Tensor& dy_NO, const at::Tensor& weight_OI) {
  if (multiplies(dy_NO)) {
    const at::Tensor dx_NI = at::empty({dy_NO.size(0), weight_OI.size(1)}, dy_NO.options());
    if (multiply({.a = dy_NO, .b = weight_OI, .out = dx_NI})) return dx_NI;
  }
  return at::mm(dy_NO, weight_OI);
}

void add_weight_gradient_(const at::Tensor& dy_NO, const at::Tensor& x_NI,
                          const at::Tensor& gradient_OI) {
  if (multiplies(dy_NO) &&
      multiply(
          {.a = dy_NO, .b = x_NI, .transpose_a = true, .out = gradient_OI, .accumulate = true}))
    return;
  at::Tensor gradient = gradient_OI;
  const at::ScalarType type = gradient.scalar_type();
  if (dy_NO.scalar_type() == type)
    gradient.addmm_(dy_NO.t(), x_NI);
  else if (dy_NO.is_cuda())
    gradient.add_(at::mm(dy_NO.t(), x_NI, type));
  else
    gradient.addmm_(dy_NO.to(type).t(), x_NI.to(type));
}

}  // namespace gpt
