#include "gpt/kernels/ops/layer_norm.h"

#include <algorithm>

#include "gpt/kernels/ops/column_sum.h"

#include "dropout_rows.h"
#include "kernels/cuda/backend.h"

namespace gpt {

namespace {

// Enough blocks to fill any card; few enough that their partial sums stay small.
constexpr std::int64_t kMostBlocks = 512, kRowsPerBlock = 8;

at::Tensor normalised(const at::Tensor& x_NC, const at::Tensor& mean_N, const at::Tensor& rstd_N) {
  return (x_NC - mean_N.unsqueeze(1)) * rstd_N.unsqueeze(1);
}

}  // namespace

NormOutput add_layer_norm(const NormInput& in) {
  if (!has_kernels(in.x_NC)) return plain_add_layer_norm(in);
  TORCH_CHECK(in.x_NC.is_contiguous() && in.weight_C.is_contiguous() &&
                  in.x_NC.scalar_type() == real_type(in.type) &&
                  (!in.branch_NC.defined() ||
                   (in.branch_NC.is_contiguous() && in.branch_NC.scalar_type() == in.type)),
              "add_layer_norm: contiguous tensors of matching types are needed");
  const std::int64_t rows = in.x_NC.size(0);
  NormOutput out;
  out.sum_NC = in.branch_NC.defined() ? at::empty_like(in.x_NC) : in.x_NC;
  out.y_NC = at::empty(in.x_NC.sizes(), in.x_NC.options().dtype(in.type));
  out.mean_N = at::empty({rows}, in.x_NC.options());
  out.rstd_N = at::empty({rows}, in.x_NC.options());
  run_kernel(in.x_NC, [&](void* stream) {
    return launch_add_layer_norm({.x = in.x_NC.const_data_ptr(),
                                  .branch = pointer(in.branch_NC),
                                  .weight = in.weight_C.const_data_ptr(),
                                  .bias = pointer(in.bias_C),
                                  .sum = out.sum_NC.mutable_data_ptr(),
                                  .y = out.y_NC.mutable_data_ptr(),
                                  .mean = out.mean_N.mutable_data_ptr(),
                                  .rstd = out.rstd_N.mutable_data_ptr(),
                                  .rows = rows,
                                  .width = in.x_NC.size(1),
                                  .epsilon = in.epsilon,
                                  .dropout = launch_rows(in.dropout),
                                  .type = float_type(in.type)},
                                 stream);
  });
  return out;
}

NormOutput plain_add_layer_norm(const NormInput& in) {
  NormOutput out;
  out.sum_NC = in.x_NC;
  if (in.branch_NC.defined())
    out.sum_NC = in.x_NC + plain_row_dropout(in.branch_NC.to(in.x_NC.scalar_type()), in.dropout);
  out.mean_N = out.sum_NC.mean(/*dim=*/1);
  const at::Tensor variance_N = at::var(out.sum_NC, /*dim=*/1, /*unbiased=*/false);
  out.rstd_N = (variance_N + in.epsilon).rsqrt();
  at::Tensor y_NC = normalised(out.sum_NC, out.mean_N, out.rstd_N) * in.weight_C;
  if (in.bias_C.defined()) y_NC += in.bias_C;
  out.y_NC = y_NC.to(in.type);
  return out;
}

at::Tensor layer_norm_backward_(const NormGradient& in) {
  if (!has_kernels(in.x_NC)) return plain_layer_norm_backward_(in);
  TORCH_CHECK(in.x_NC.is_contiguous() && in.dx_NC.is_contiguous() && in.dy_NC.is_contiguous() &&
                  in.x_NC.scalar_type() == real_type(in.dy_NC.scalar_type()),
              "layer_norm_backward_: contiguous tensors of matching types are needed");
  const std::int64_t rows = in.x_NC.size(0), width = in.x_NC.size(1);
  const std::int64_t blocks = std::min(kMostBlocks, (rows + kRowsPerBlock - 1) / kRowsPerBlock);
  const at::Tensor partial = at::empty({blocks, 2 * width}, in.x_NC.options());
  const at::Tensor dbranch_NC = in.branch ? at::empty_like(in.dy_NC) : at::Tensor();
  run_kernel(in.x_NC, [&](void* stream) {
    return launch_layer_norm_backward({.dy = in.dy_NC.const_data_ptr(),
                                       .x = in.x_NC.const_data_ptr(),
                                       .mean = in.mean_N.const_data_ptr(),
                                       .rstd = in.rstd_N.const_data_ptr(),
                                       .weight = in.weight_C.const_data_ptr(),
                                       .dx = in.dx_NC.mutable_data_ptr(),
                                       .dbranch = mutable_pointer(dbranch_NC),
                                       .partial = partial.mutable_data_ptr(),
                                       .rows = rows,
                                       .width = width,
                                       .blocks = static_cast<int>(blocks),
                                       .accumulate = in.accumulate,
                                       .dropout = launch_rows(in.dropout),
                                       .type = float_type(in.dy_NC.scalar_type())},
                                      stream);
  });
  add_rows_(partial.narrow(1, 0, width), in.dweight_C);
  if (in.dbias_C.defined()) add_rows_(partial.narrow(1, width, width), in.dbias_C);
  return dbranch_NC;
}

at::Tensor plain_layer_norm_backward_(const NormGradient& in) {
  const at::Tensor dy_NC = in.dy_NC.to(in.x_NC.scalar_type());
  const at::Tensor hat_NC = normalised(in.x_NC, in.mean_N, in.rstd_N);
  const at::Tensor up_NC = dy_NC * in.weight_C;
  const auto mean = [](const at::Tensor& t) { return t.mean(/*dim=*/1, /*keepdim=*/true); };
  const at::Tensor change_NC =
      (up_NC - mean(up_NC) - hat_NC * mean(up_NC * hat_NC)) * in.rstd_N.unsqueeze(1);
  at::Tensor dx_NC = in.dx_NC;
  if (in.accumulate)
    dx_NC.add_(change_NC);
  else
    dx_NC.copy_(change_NC);
  at::Tensor dweight_C = in.dweight_C, dbias_C = in.dbias_C;
  dweight_C.add_((dy_NC * hat_NC).sum(0));
  if (dbias_C.defined()) dbias_C.add_(dy_NC.sum(0));
  if (!in.branch) return {};
  return plain_row_dropout(dx_NC, in.dropout).to(in.dy_NC.scalar_type());
}

}  // namespace gpt
