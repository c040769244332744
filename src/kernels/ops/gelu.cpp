#include "gpt/kernels/ops/gelu.h"

#include "gpt/kernels/ops/column_sum.h"

#include "kernels/cuda/backend.h"
#include "row_chunks.h"

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

void gelu_bias_backward_(const at::Tensor& x_NO, const at::Tensor& up_NO, bool tanh,
                         const at::Tensor& dbias_O) {
  if (!has_kernels(x_NO)) {
    plain_gelu_backward_(x_NO, up_NO, tanh);
    return plain_add_column_sums_(up_NO, dbias_O);
  }
  TORCH_CHECK(x_NO.is_contiguous() && up_NO.is_contiguous() &&
                  up_NO.scalar_type() == x_NO.scalar_type() && up_NO.sizes() == x_NO.sizes() &&
                  dbias_O.scalar_type() == real_type(x_NO.scalar_type()),
              "gelu_bias_backward_: contiguous tensors of matching types are needed");
  const std::int64_t rows = x_NO.size(0), columns = x_NO.size(1), chunks = row_chunks(rows);
  const at::Tensor partial = at::empty({chunks, columns}, dbias_O.options());
  run_kernel(x_NO, [&](void* stream) {
    return launch_gelu_backward_sums({.in = x_NO.const_data_ptr(),
                                      .up = up_NO.mutable_data_ptr(),
                                      .partial = partial.mutable_data_ptr(),
                                      .rows = rows,
                                      .columns = columns,
                                      .chunks = chunks,
                                      .tanh = tanh,
                                      .type = float_type(x_NO.scalar_type())},
                                     stream);
  });
  if (rows > 0) add_rows_(partial, dbias_O);
}

void plain_gelu_backward_(const at::Tensor& x, const at::Tensor& up, bool tanh) {
  up.copy_(at::gelu_backward(up, x, name(tanh)));
}

}  // namespace gpt
