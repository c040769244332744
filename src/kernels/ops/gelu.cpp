#include "gpt/kernels/ops/gelu.h"

#include "kernels/cuda/backend.h"

namespace gpt {

namespace {

const char* name(bool tanh) {
  return tanh ? "tanh" : "none";
}

}  // namespace

at::Tensor gelu(const at::Tensor& x, bool tanh) {
  if (!has_kernels(x)) return plain_gelu(x, tanh);
  TORCH_CHECK(x.is_contiguous(), "gelu: a contiguous tensor is needed");
  at::Tensor out = at::empty_like(x);
  run_kernel(x, [&](void* stream) {
    return launch_gelu({.in = x.const_data_ptr(),
                        .up = nullptr,
                        .out = out.mutable_data_ptr(),
                        .count = x.numel(),
                        .tanh = tanh,
                        .type = float_type(x.scalar_type())},
                       stream);
  });
  return out;
}

at::Tensor plain_gelu(const at::Tensor& x, bool tanh) {
  return at::gelu(x, name(tanh));
}

void gelu_backward_(const at::Tensor& x, const at::Tensor& up, bool tanh) {
  if (!has_kernels(x)) return plain_gelu_backward_(x, up, tanh);
  TORCH_CHECK(x.is_contiguous() && up.is_contiguous() && up.scalar_type() == x.scalar_type() &&
                  up.numel() == x.numel(),
              "gelu_backward_: two contiguous tensors of one shape and type are needed");
  run_kernel(x, [&](void* stream) {
    return launch_gelu({.in = x.const_data_ptr(),
                        .up = up.const_data_ptr(),
                        .out = up.mutable_data_ptr(),
                        .count = x.numel(),
                        .tanh = tanh,
                        .type = float_type(x.scalar_type())},
                       stream);
  });
}

void plain_gelu_backward_(const at::Tensor& x, const at::Tensor& up, bool tanh) {
  up.copy_(at::gelu_backward(up, x, name(tanh)));
}

}  // namespace gpt
