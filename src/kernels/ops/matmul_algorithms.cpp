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
at::Tensor aligned(at::IntArrayRef sizes, std::int64_t align, const at::TensorOptions& options) {
  const auto count = c10::multiply_integers(sizes);
  const auto bytes = static_cast<std::int64_t>(options.dtype().itemsize());
  const std::int64_t skipped = align >= kMostAligned ? 0 : align / bytes;
  return at::empty({count + skipped}, options).narrow(0, skipped, count).view(sizes);
}

std::string matrix_text(std::int64_t rows, std::int64_t columns, bool transposed) {
  return concat(rows, "x", columns, transposed ? "^T" : "");
}

at::Tensor factor_of(const at::Tensor& matrix, bool transposed) {
  return transposed ? matrix.t() : matrix;
}

}  // namespace

std::string MatmulShape::text() const {
  return concat(matrix_text(a_rows, a_columns, transpose_a), " * ",
                matrix_text(b_rows, b_columns, transpose_b), " ", type, " -> ", out_type,
                accumulate ? " +=" : "", align_bias > 0 ? " + bias" : "", "; ", align_a, " ",
                align_b, " ", align_out, " ", align_bias);
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
      .a = aligned({shape.a_rows, shape.a_columns}, shape.align_a, options).normal_(),
      .b = aligned({shape.b_rows, shape.b_columns}, shape.align_b, options).normal_(),
      .transpose_a = shape.transpose_a,
      .transpose_b = shape.transpose_b,
      .out = aligned({rows, columns}, shape.align_out, options.dtype(shape.out_type)).normal_(),
      .accumulate = shape.accumulate};
  if (shape.align_bias > 0) args.bias = aligned({columns}, shape.align_bias, options).normal_();
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
