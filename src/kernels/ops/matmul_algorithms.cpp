#include "gpt/kernels/ops/matmul_algorithms.h"

#include <algorithm>

#include <ATen/ATen.h>

#include "gpt/base/strings.h"

namespace gpt {

namespace {

constexpr std::int64_t kMostAligned = 256;

std::int64_t alignment_of(const at::Tensor& tensor) {
  if (!tensor.defined()) return 0;
  const auto address = reinterpret_cast<std::uintptr_t>(tensor.const_data_ptr());
  if (address == 0) return kMostAligned;
  return std::min<std::int64_t>(kMostAligned, static_cast<std::int64_t>(address & -address));
}

// At an address that is a multiple of `align` and not of twice as much: allocators align to more.
at::Tensor aligned(std::int64_t rows, std::int64_t columns, std::int64_t stride, std::int64_t align,
                   const at::TensorOptions& options) {
  const std::int64_t count = rows * stride;
  const auto bytes = static_cast<std::int64_t>(options.dtype().itemsize());
  const std::int64_t skipped = align >= kMostAligned ? 0 : align / bytes;
  return at::empty({count + skipped}, options)
      .narrow(0, skipped, count)
      .view({rows, stride})
      .narrow(1, 0, columns);
}

std::string matrix_text(std::int64_t rows, std::int64_t columns, std::int64_t stride,
                        bool transposed) {
  return concat(rows, "x", columns, stride == columns ? "" : concat("/", stride),
                transposed ? "^T" : "");
}

at::Tensor factor_of(const at::Tensor& matrix, bool transposed) {
  return transposed ? matrix.t() : matrix;
}

}  // namespace

std::int64_t row_stride(const at::Tensor& matrix) {
  return matrix.size(0) == 1 ? matrix.size(1) : matrix.stride(0);
}

std::string MatmulShape::text() const {
  const std::int64_t out_columns = transpose_b ? b_rows : b_columns;
  return concat(matrix_text(a_rows, a_columns, a_stride, transpose_a), " * ",
                matrix_text(b_rows, b_columns, b_stride, transpose_b), " ", type, " -> ", out_type,
                out_stride == out_columns ? "" : concat("/", out_stride), accumulate ? " +=" : "",
                align_bias > 0 ? " + bias" : "", "; ", align_a, " ", align_b, " ", align_out, " ",
                align_bias);
}

double MatmulShape::flops() const {
  const std::int64_t rows = transpose_a ? a_columns : a_rows,
                     inner = transpose_a ? a_rows : a_columns,
                     columns = transpose_b ? b_rows : b_columns;
  return 2.0 * static_cast<double>(rows) * static_cast<double>(inner) *
         static_cast<double>(columns);
}

MatmulShape shape_of(const MatmulArgs& args) {
  return {.a_rows = args.a.size(0),
          .a_columns = args.a.size(1),
          .b_rows = args.b.size(0),
          .b_columns = args.b.size(1),
          .a_stride = row_stride(args.a),
          .b_stride = row_stride(args.b),
          .out_stride = row_stride(args.out),
          .transpose_a = args.transpose_a,
          .transpose_b = args.transpose_b,
          .type = args.a.scalar_type(),
          .out_type = args.out.scalar_type(),
          .accumulate = args.accumulate,
          .align_a = alignment_of(args.a),
          .align_b = alignment_of(args.b),
          .align_out = alignment_of(args.out),
          .align_bias = alignment_of(args.bias)};
}

MatmulArgs random_product(const MatmulShape& shape, const at::Device& device) {
  const auto options = at::TensorOptions().device(device).dtype(shape.type);
  const std::int64_t rows = shape.transpose_a ? shape.a_columns : shape.a_rows,
                     columns = shape.transpose_b ? shape.b_rows : shape.b_columns;
  MatmulArgs args{
      .a = aligned(shape.a_rows, shape.a_columns, shape.a_stride, shape.align_a, options).normal_(),
      .b = aligned(shape.b_rows, shape.b_columns, shape.b_stride, shape.align_b, options).normal_(),
      .transpose_a = shape.transpose_a,
      .transpose_b = shape.transpose_b,
      .out =
          aligned(rows, columns, shape.out_stride, shape.align_out, options.dtype(shape.out_type))
              .normal_(),
      .accumulate = shape.accumulate};
  if (shape.align_bias > 0)
    args.bias = aligned(1, columns, columns, shape.align_bias, options).normal_().view({columns});
  return args;
}

// Half types are summed in float32 and rounded once, as the library does.
at::Tensor expected_product(const MatmulArgs& args) {
  const at::Tensor a = factor_of(args.a, args.transpose_a), b = factor_of(args.b, args.transpose_b);
  const at::ScalarType type = args.out.scalar_type();
  at::Tensor expected = a.scalar_type() == type ? at::mm(a, b)
                        : a.is_cuda()           ? at::mm(a, b, type)
                                                : at::mm(a.to(type), b.to(type));
  if (args.bias.defined()) expected = expected + args.bias;
  if (args.accumulate) expected = expected + args.out;
  return expected;
}

}  // namespace gpt
