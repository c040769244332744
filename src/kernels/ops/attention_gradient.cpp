#include <ATen/ATen.h>

#include "gpt/kernels/ops/attention.h"
#include "gpt/kernels/ops/column_sum.h"

#include "kernels/cuda/backend.h"
#include "row_chunks.h"

namespace gpt {

namespace {

// (B, H, T, D) -> (B*T, H D); no copy where the heads of a token lie side by side.
at::Tensor rows_of(const at::Tensor& x_BHTD) {
  return x_BHTD.transpose(1, 2).flatten(2, 3).flatten(0, 1).contiguous();
}

// Do all three lie in one buffer (B, T, 3, H, D)?
bool side_by_side(const AttentionGradient& gradient) {
  const at::Tensor& q = gradient.dq_BHTD;
  const std::int64_t D = q.size(3), width = q.size(1) * D, bytes = width * q.element_size();
  const std::int64_t strides[] = {q.size(2) * 3 * width, D, 3 * width, 1};
  const auto* first = static_cast<const char*>(q.const_data_ptr());
  std::int64_t i = 0;
  for (const at::Tensor& part : {q, gradient.dk_BHTD, gradient.dv_BHTD})
    if (part.strides() != at::IntArrayRef(strides) || part.sizes() != q.sizes() ||
        part.const_data_ptr() != first + bytes * i++)
      return false;
  return true;
}

}  // namespace

at::Tensor join_attention_gradient(const AttentionGradient& gradient, const at::Tensor& dbias_K) {
  const at::Tensor& q = gradient.dq_BHTD;
  const std::int64_t rows = q.size(0) * q.size(2), width = q.size(1) * q.size(3);
  if (side_by_side(gradient)) {
    const at::Tensor out_NK = q.as_strided({rows, 3 * width}, {3 * width, 1});
    if (dbias_K.defined()) add_column_sums_(out_NK, dbias_K);
    return out_NK;
  }
  if (!has_kernels(q)) return plain_join_attention_gradient(gradient, dbias_K);
  const at::Tensor parts[] = {rows_of(q), rows_of(gradient.dk_BHTD), rows_of(gradient.dv_BHTD)};
  at::Tensor out_NK = at::empty({rows, 3 * width}, q.options());
  const std::int64_t chunks = row_chunks(rows);
  at::Tensor partial;
  if (dbias_K.defined()) partial = at::empty({chunks, 3 * width}, dbias_K.options());
  run_kernel(q, [&](void* stream) {
    return launch_join_sums(
        {.parts = {parts[0].const_data_ptr(), parts[1].const_data_ptr(), parts[2].const_data_ptr()},
         .out = out_NK.mutable_data_ptr(),
         .partial = mutable_pointer(partial),
         .rows = rows,
         .width = width,
         .chunks = chunks,
         .type = float_type(q.scalar_type())},
        stream);
  });
  if (dbias_K.defined() && rows > 0) add_rows_(partial, dbias_K);
  return out_NK;
}

at::Tensor plain_join_attention_gradient(const AttentionGradient& gradient,
                                         const at::Tensor& dbias_K) {
  const at::Tensor out_NK =
      at::cat({rows_of(gradient.dq_BHTD), rows_of(gradient.dk_BHTD), rows_of(gradient.dv_BHTD)}, 1);
  if (dbias_K.defined()) plain_add_column_sums_(out_NK, dbias_K);
  return out_NK;
}

}  // namespace gpt
