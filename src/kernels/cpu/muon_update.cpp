#include "gpt/kernels/cpu/muon_update.h"

#include <cmath>
#include <cstring>

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
  std::int64_t small = 0, large = 0;
};

Sides longest_sides(const std::vector<MatrixShape>& shapes) {
  Sides sides;
  for (const MatrixShape& shape : shapes) {
    sides.small = std::max(sides.small, shape.small());
    sides.large = std::max(sides.large, shape.large());
  }
  return sides;
}

std::int64_t gemm_bytes(Sides sides) {
  const NativeGemm<float>* native = native_gemm<float>();
  const std::int64_t most = std::max(sides.small, kPanel);
  return native ? native->workspace_bytes({most, most, std::max(sides.large, most)}) : 0;
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

// The products are computed on and below the diagonal alone.
void multiply_with_itself(const float* x, MatrixShape shape, float* gram) {
  const std::int64_t m = shape.small();
  const GemmShape size{.M = m, .N = m, .K = shape.large(), .triangle = Triangle::kLowerC};
  const ConstF32 side{x, shape.columns};
  if (shape.rows <= shape.columns)
    gemm_nt(size, side, side, {gram, m}, Into::kReplace);
  else
    gemm_tn(size, side, side, {gram, m}, Into::kReplace);
  below_diagonal(m, [=](std::int64_t i, std::int64_t j) { gram[j * m + i] = gram[i * m + j]; });
}

// a I + b A + c A^2 of the symmetric A.
void make_polynomial(const float* gram, std::int64_t m, float* polynomial) {
  constexpr auto a = static_cast<float>(NewtonSchulz::a), b = static_cast<float>(NewtonSchulz::b),
                 c = static_cast<float>(NewtonSchulz::c);
  gemm_nt({.M = m, .N = m, .K = m, .triangle = Triangle::kLowerC}, {gram, m}, ConstF32{gram, m},
          {polynomial, m}, Into::kReplace);
  for (std::int64_t i = 0; i < m; ++i) {
    for (std::int64_t j = 0; j <= i; ++j)
      polynomial[i * m + j] = b * gram[i * m + j] + c * polynomial[i * m + j];
    polynomial[i * m + i] += a;
  }
  below_diagonal(
      m, [=](std::int64_t i, std::int64_t j) { polynomial[j * m + i] = polynomial[i * m + j]; });
}

// x becomes P x, of a tall one x P. A column of it depends on that column alone.
void multiply_by(const float* polynomial, float* x, MatrixShape shape, float* panel) {
  const std::int64_t m = shape.small(), n = shape.large(), stride = shape.columns;
  const bool wide = shape.rows <= shape.columns;
  const std::int64_t panels = (n + kPanel - 1) / kPanel;
  for (std::int64_t i = 0; i < panels; ++i) {
    const std::int64_t first = n * i / panels, count = n * (i + 1) / panels - first;
    if (!wide) {
      gemm_nn({.M = count, .N = m, .K = m}, {x + first * stride, stride}, ConstF32{polynomial, m},
              {panel, m}, Into::kReplace);
      std::memcpy(x + first * stride, panel, static_cast<std::size_t>(count * m) * sizeof(float));
      continue;
    }
    gemm_nn({.M = m, .N = count, .K = m}, {polynomial, m}, ConstF32{x + first, stride},
            {panel, count}, Into::kReplace);
    for (std::int64_t row = 0; row < m; ++row)
      std::memcpy(x + row * stride + first, panel + row * count,
                  static_cast<std::size_t>(count) * sizeof(float));
  }
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
  for (std::int64_t i = 0; i < size; ++i) {
    const float gradient = scalars.factor * u[i];
    momentum[i] += rest * (gradient - momentum[i]);
    u[i] = momentum[i] + rest * (gradient - momentum[i]);
  }
  cpu_newton_schulz(u, matrix.shape(), scratch);
  for (std::int64_t i = 0; i < size; ++i) p[i] = scalars.keep * p[i] - scalars.rate * u[i];
}

class CpuMuonUpdate : public MuonUpdate {
 public:
  explicit CpuMuonUpdate(const std::vector<MatrixShape>& shapes)
      : shapes_(shapes),
        workers_(std::min(at::get_num_threads(), static_cast<int>(shapes.size()))),
        memory_(at::empty({cpu_muon_bytes(shapes, at::get_num_threads())}, at::kByte)) {}

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
    const std::int64_t each = NewtonSchulzScratch::bytes(shapes_);
    pool.run([&](int rank) {
      if (rank >= workers_) return;
      const NewtonSchulzScratch scratch(shapes_,
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
  int workers_;
  at::Tensor memory_;
};

}  // namespace

std::int64_t NewtonSchulzScratch::bytes(const std::vector<MatrixShape>& shapes) {
  const Sides sides = longest_sides(shapes);
  const std::int64_t square = whole_lines(4 * sides.small * sides.small);
  return 2 * square + whole_lines(4 * sides.small * kPanel) + whole_lines(gemm_bytes(sides));
}

NewtonSchulzScratch::NewtonSchulzScratch(const std::vector<MatrixShape>& shapes, void* memory) {
  const Sides sides = longest_sides(shapes);
  auto* at = static_cast<unsigned char*>(memory);
  const auto take = [&](std::int64_t bytes) {
    unsigned char* const taken = at;
    at += whole_lines(bytes);
    return reinterpret_cast<float*>(taken);
  };
  gram = take(4 * sides.small * sides.small);
  polynomial = take(4 * sides.small * sides.small);
  panel = take(4 * sides.small * kPanel);
  gemm = gemm_bytes(sides) > 0 ? at : nullptr;
}

void cpu_newton_schulz(float* x, MatrixShape shape, const NewtonSchulzScratch& scratch) {
  const GemmWorkspace workspace(scratch.gemm);
  const double norm = std::sqrt(row_kernels().sum_of_squares(x, shape.elements()));
  const auto factor = static_cast<float>(1 / std::max(norm, NewtonSchulz::kEpsilon));
  for (std::int64_t i = 0; i < shape.elements(); ++i) x[i] *= factor;
  for (int i = 0; i < NewtonSchulz::kSteps; ++i) {
    multiply_with_itself(x, shape, scratch.gram);
    make_polynomial(scratch.gram, shape.small(), scratch.polynomial);
    multiply_by(scratch.polynomial, x, shape, scratch.panel);
  }
}

std::int64_t cpu_muon_bytes(const std::vector<MatrixShape>& shapes, int threads) {
  const auto workers = std::min<std::int64_t>(threads, static_cast<std::int64_t>(shapes.size()));
  return workers * NewtonSchulzScratch::bytes(shapes);
}

std::unique_ptr<MuonUpdate> cpu_muon_update(const std::vector<MatrixShape>& shapes) {
  return std::make_unique<CpuMuonUpdate>(shapes);
}

}  // namespace gpt
