#include "gpt/kernels/ops/column_sum.h"

#include "kernels/cuda/backend.h"
#include "row_chunks.h"

namespace gpt {

void add_column_sums_(const at::Tensor& in_NO, const at::Tensor& out_O) {
  if (!has_kernels(in_NO)) return plain_add_column_sums_(in_NO, out_O);
  const std::int64_t rows = in_NO.size(0), columns = in_NO.size(1);
  TORCH_CHECK(in_NO.is_contiguous() && out_O.scalar_type() == real_type(in_NO.scalar_type()),
              "add_column_sums_: contiguous tensors of matching types are needed");
  const std::int64_t chunks = row_chunks(rows);
  const at::Tensor partial = at::empty({chunks, columns}, out_O.options());
  run_kernel(in_NO, [&](void* stream) {
    return launch_column_sums({.in = in_NO.const_data_ptr(),
                               .partial = partial.mutable_data_ptr(),
                               .rows = rows,
                               .columns = columns,
                               .chunks = chunks,
                               .type = float_type(in_NO.scalar_type())},
                              stream);
  });
  if (rows > 0) add_rows_(partial, out_O);
}

void plain_add_column_sums_(const at::Tensor& in_NO, const at::Tensor& out_O) {
  out_O.add_(in_NO.sum(at::IntArrayRef{0}, /*keepdim=*/false, out_O.scalar_type()));
}

void add_rows_(const at::Tensor& in_NO, const at::Tensor& out_O) {
  if (!has_kernels(in_NO)) return plain_add_column_sums_(in_NO, out_O);
  TORCH_CHECK(
      in_NO.stride(1) == 1 && out_O.is_contiguous() && in_NO.scalar_type() == out_O.scalar_type(),
      "add_rows_: rows of neighbours, and a result of the same type, are needed");
  run_kernel(in_NO, [&](void* stream) {
    return launch_add_rows({.in = in_NO.const_data_ptr(),
                            .out = out_O.mutable_data_ptr(),
                            .rows = in_NO.size(0),
                            .columns = in_NO.size(1),
                            .stride = in_NO.stride(0),
                            .type = float_type(in_NO.scalar_type())},
                           stream);
  });
}

}  // namespace gpt
