#include "gpt/kernels/cpu/muon_update.h"

#include <cmath>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "gpt/device/thread_pool.h"
#include "gpt/kernels/cpu/row_kernels.h"
#include "gpt/kernels/gemm/gemm.h"
#include "gpt/kernels/gemm/gemm_backend.h"

namespace gpt {

namespace {

// Columns (of a tall matrix: rows) of the next X that are computed at a time.
constexpr std::int64_t kPanel = 512;

std::int64_t whole_lines(std::int64_t bytes) {
  constexpr std::int64_t kLine = 64;
  return (bytes + kLine - 1) / kLine * kLine;
}

struct Sides {
  std::int64_t small = 0, large = 0, elements = 0;
};

Sides longest_sides(const std::vector<MatrixShape>& shapes) {
  Sides sides;
  for (const MatrixShape& shape : shapes) {
    sides.small = std::max(sides.small, shape.small());
    sides.large = std::max(sides.large, shape.large());
    sides.elements = std::max(sides.elements, shape.elements());
  }
  return sides;
}

template <class T>
std::int64_t gemm_bytes(Sides sides) {
  const NativeGemm<T>* native = native_gemm<T>();
  const std::int64_t most = std::max(sides.small, kPanel);
  return native ? native->workspace_bytes({most, most, std::max(sides.large, most)}) : 0;
}

std::int64_t gemm_bytes(Sides sides, bool bf16) {
  return bf16 ? gemm_bytes<Bf16>(sides) : gemm_bytes<float>(sides);
}

constexpr std::int64_t kBlock =
    32;  // of a matrix that is turned: its lines stay in the first cache

// Calls visit(i, j) for all j < i, block by block.
template <class Visit>
void below_diagonal(std::int64_t size, const Visit& visit) {
  for (std::int64_t row = 0; row < size; row += kBlock)
    for (std::int64_t column = 0; column <= row; column += kBlock)
      for (std::int64_t i = row; i < std::min(row + kBlock, size); ++i)
        for (std::int64_t j = column; j < std::min(column + kBlock, i); ++j) visit(i, j);
}

void mirror(float* square, std::int64_t size) {
  below_diagonal(
      size, [=](std::int64_t i, std::int64_t j) { square[j * size + i] = square[i * size + j]; });
}

// X X^T, of a tall one X^T X. Of symmetric products only what is on and below the diagonal is
// computed.
template <class T>
void multiply_with_itself(const T* x, MatrixShape shape, float* gram) {
  const std::int64_t m = shape.small();
  const GemmShape size{.M = m, .N = m, .K = shape.large(), .triangle = Triangle::kLowerC};
  const Matrix<const T> side{x, shape.columns};
  if (shape.rows <= shape.columns)
    gemm_nt(size, side, side, {gram, m}, Into::kReplace);
  else
    gemm_tn(size, side, side, {gram, m}, Into::kReplace);
  mirror(gram, m);
}

// b A + c A^2 of the symmetric A, which `square` holds for the GEMM.
template <class T>
void make_polynomial(const T* square, const float* gram, std::int64_t m, float* polynomial) {
  constexpr auto b = static_cast<float>(NewtonSchulz::b), c = static_cast<float>(NewtonSchulz::c);
  const Matrix<const T> side{square, m};
  gemm_nt({.M = m, .N = m, .K = m, .triangle = Triangle::kLowerC}, side, side, {polynomial, m},
          Into::kReplace);
  for (std::int64_t i = 0; i < m; ++i) {
#pragma omp simd
    for (std::int64_t j = 0; j <= i; ++j)
      polynomial[i * m + j] = b * gram[i * m + j] + c * polynomial[i * m + j];
  }
  mirror(polynomial, m);
}

// x becomes a x + P y, of a tall one a x + y P, where y is x for the GEMM. A column (of a tall one:
// a row) of it depends on that one alone, so y may be x itself.
template <class T>
void multiply_by(const T* polynomial, const T* y, float* x, MatrixShape shape, float* panel) {
  constexpr auto a = static_cast<float>(NewtonSchulz::a);
  const std::int64_t m = shape.small(), n = shape.large(), stride = shape.columns;
  const bool wide = shape.rows <= shape.columns;
  const std::int64_t panels = (n + kPanel - 1) / kPanel;
  const Matrix<const T> square{polynomial, m};
  for (std::int64_t i = 0; i < panels; ++i) {
    const std::int64_t first = n * i / panels, count = n * (i + 1) / panels - first;
    const std::int64_t rows = wide ? m : count, columns = wide ? count : m;
    const std::int64_t at = wide ? first : first * stride;
    const Matrix<const T> part{y + at, stride};
    const GemmShape size{.M = rows, .N = columns, .K = m};
    if (wide)
      gemm_nn(size, square, part, {panel, columns}, Into::kReplace);
    else
      gemm_nn(size, part, square, {panel, columns}, Into::kReplace);
    for (std::int64_t row = 0; row < rows; ++row) {
      float* const to = x + at + row * stride;
      const float* const from = panel + row * columns;
#pragma omp simd
      for (std::int64_t j = 0; j < columns; ++j) to[j] = a * to[j] + from[j];
    }
  }
}

void step(float* x, MatrixShape shape, const NewtonSchulzScratch& scratch) {
  const std::int64_t m = shape.small();
  multiply_with_itself<float>(x, shape, scratch.gram);
  make_polynomial<float>(scratch.gram, scratch.gram, m, scratch.polynomial);
  multiply_by<float>(scratch.polynomial, x, x, shape, scratch.panel);
}

void step_in_bf16(float* x, MatrixShape shape, const NewtonSchulzScratch& scratch) {
  const std::int64_t m = shape.small();
  const auto round = [](const float* from, std::int64_t size, Bf16* to) {
    row_kernels().to_operand(from, size, {.bf16 = to});
  };
  round(x, shape.elements(), scratch.x_low);
  multiply_with_itself<Bf16>(scratch.x_low, shape, scratch.gram);
  round(scratch.gram, m * m, scratch.square_low);
  make_polynomial<Bf16>(scratch.square_low, scratch.gram, m, scratch.polynomial);
  round(scratch.polynomial, m * m, scratch.square_low);
  multiply_by<Bf16>(scratch.square_low, scratch.x_low, x, shape, scratch.panel);
}

struct Scalars {
  float factor, momentum, keep, rate;  // the weight: keep * p - rate * X
};

void update(const MuonMatrix& matrix, const Scalars& scalars, const NewtonSchulzScratch& scratch) {
  float* const p = matrix.parameter.mutable_data_ptr<float>();
  float* const u = matrix.gradient.mutable_data_ptr<float>();
  float* const momentum = matrix.momentum.mutable_data_ptr<float>();
  const std::int64_t size = matrix.parameter.numel();
  const float rest = 1 - scalars.momentum;
#pragma omp simd
  for (std::int64_t i = 0; i < size; ++i) {
    const float gradient = scalars.factor * u[i];
    momentum[i] += rest * (gradient - momentum[i]);
    u[i] = momentum[i] + rest * (gradient - momentum[i]);
  }
  cpu_newton_schulz(u, matrix.shape(), scratch);
#pragma omp simd
  for (std::int64_t i = 0; i < size; ++i) p[i] = scalars.keep * p[i] - scalars.rate * u[i];
}

class CpuMuonUpdate : public MuonUpdate {
 public:
  CpuMuonUpdate(const std::vector<MatrixShape>& shapes, c10::ScalarType type)
      : shapes_(shapes),
        bf16_(cpu_muon_in_bf16(type)),
        workers_(std::min(at::get_num_threads(), static_cast<int>(shapes.size()))),
        memory_(at::empty({cpu_muon_bytes(shapes, type, at::get_num_threads())}, at::kByte)) {}

  void run(const std::vector<MuonMatrix>& matrices, const MuonRates& rates,
           const at::Tensor& factor, const at::Tensor& skip) override {
    if (matrices.empty() || *skip.const_data_ptr<float>() != 0) return;
    for (const MuonMatrix& matrix : matrices)
      for (const at::Tensor* tensor : {&matrix.parameter, &matrix.gradient, &matrix.momentum})
        TORCH_CHECK(tensor->is_contiguous() && tensor->scalar_type() == at::kFloat,
                    "Muon: contiguous float32 tensors are needed");
    const float scale = factor.defined() ? *factor.const_data_ptr<float>() : 1.0f;
    ThreadPool& pool = thread_pool();
    std::vector<double> costs;
    for (const MuonMatrix& matrix : matrices) costs.push_back(matrix.shape().flops());
    const std::vector<int> taken_by = dealt_by_cost(costs, std::min(workers_, pool.size()));
    const std::int64_t each = NewtonSchulzScratch::bytes(shapes_, bf16_);
    pool.run([&](int rank) {
      if (rank >= workers_) return;
      const NewtonSchulzScratch scratch(shapes_, bf16_,
                                        memory_.mutable_data_ptr<std::uint8_t>() + rank * each);
      for (std::size_t i = 0; i < matrices.size(); ++i) {
        if (taken_by[i] != rank) continue;
        const double step = *matrices[i].step.const_data_ptr<float>();
        update(matrices[i],
               {.factor = scale,
                .momentum = static_cast<float>(rates.momentum_at(step)),
                .keep = static_cast<float>(1 - rates.learning_rate * rates.weight_decay),
                .rate = static_cast<float>(rates.learning_rate * rates.scale(matrices[i].shape()))},
               scratch);
      }
    });
  }

 private:
  std::vector<MatrixShape> shapes_;
  bool bf16_;
  int workers_;
  at::Tensor memory_;
};

}  // namespace

bool cpu_muon_in_bf16(c10::ScalarType type) {
  const GemmBackend* backend = gemm_backend();
  return type == at::kBFloat16 && (backend == &kGemmAvx512Bf16 || backend == &kGemmAmx);
}

std::int64_t NewtonSchulzScratch::bytes(const std::vector<MatrixShape>& shapes, bool bf16) {
  const Sides sides = longest_sides(shapes);
  const std::int64_t square = sides.small * sides.small;
  std::int64_t bytes = 2 * whole_lines(4 * square) + whole_lines(4 * sides.small * kPanel) +
                       whole_lines(gemm_bytes(sides, bf16));
  if (bf16) bytes += whole_lines(2 * sides.elements) + whole_lines(2 * square);
  return bytes;
}

NewtonSchulzScratch::NewtonSchulzScratch(const std::vector<MatrixShape>& shapes, bool bf16,
                                         void* memory) {
  const Sides sides = longest_sides(shapes);
  auto* at = static_cast<unsigned char*>(memory);
  const auto take = [&](std::int64_t bytes) {
    unsigned char* const taken = at;
    at += whole_lines(bytes);
    return static_cast<void*>(taken);
  };
  const std::int64_t square = sides.small * sides.small;
  gram = static_cast<float*>(take(4 * square));
  polynomial = static_cast<float*>(take(4 * square));
  panel = static_cast<float*>(take(4 * sides.small * kPanel));
  if (bf16) {
    x_low = static_cast<Bf16*>(take(2 * sides.elements));
    square_low = static_cast<Bf16*>(take(2 * square));
  }
  gemm = gemm_bytes(sides, bf16) > 0 ? at : nullptr;
}

void cpu_newton_schulz(float* x, MatrixShape shape, const NewtonSchulzScratch& scratch) {
  const GemmWorkspace workspace(scratch.gemm);
  const double norm = std::sqrt(row_kernels().sum_of_squares(x, shape.elements()));
  const auto factor = static_cast<float>(1 / std::max(norm, NewtonSchulz::kEpsilon));
  const std::int64_t size = shape.elements();
#pragma omp simd
  for (std::int64_t i = 0; i < size; ++i) x[i] *= factor;
  for (int i = 0; i < NewtonSchulz::kSteps; ++i)
    scratch.x_low ? step_in_bf16(x, shape, scratch) : step(x, shape, scratch);
}

std::int64_t cpu_muon_bytes(const std::vector<MatrixShape>& shapes, c10::ScalarType type,
                            int threads) {
  const auto workers = std::min<std::int64_t>(threads, static_cast<std::int64_t>(shapes.size()));
  return workers * NewtonSchulzScratch::bytes(shapes, cpu_muon_in_bf16(type));
}

std::unique_ptr<MuonUpdate> cpu_muon_update(const std::vector<MatrixShape>& shapes,
                                            c10::ScalarType type) {
  return std::make_unique<CpuMuonUpdate>(shapes, type);
}

}  // namespace gpt
