// Muon's iteration and update, on the CPU's threads and in ATen's batched products, against plain
// operators in float64.
#include "gpt/kernels/ops/muon_update.h"

#include <cmath>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "gpt/device/cpu_memory.h"
#include "gpt/kernels/cpu/muon_update.h"

#include "support/tensor_near.h"
#include "support/thread_count.h"

namespace gpt {
namespace {

using testing::near;

// Both sides of the panels' size, of a block that is turned, and of registers; wide, tall, square.
const std::vector<MatrixShape> kShapes{{1, 1},    {5, 3},     {3, 70},    {64, 64},  {128, 128},
                                       {97, 512}, {100, 513}, {1300, 61}, {384, 96}, {33, 33}};

at::Tensor normal(MatrixShape shape, std::uint64_t seed) {
  return at::randn({shape.rows, shape.columns}, testing::generator(seed));
}

TEST(NewtonSchulz, OfTheCpuIsTheReference) {
  for (const MatrixShape& shape : kShapes) {
    const at::Tensor u = normal(shape, 1), x = u.clone();
    const at::Tensor memory = at::empty({NewtonSchulzScratch::bytes({shape}, false)}, at::kByte);
    cpu_newton_schulz(x.mutable_data_ptr<float>(), shape,
                      NewtonSchulzScratch({shape}, false, memory.mutable_data_ptr()));
    const at::Tensor exact = plain_newton_schulz(u.to(at::kDouble), at::kDouble);
    EXPECT_TRUE(near(x, exact, 2e-5)) << shape.rows << " x " << shape.columns;
    EXPECT_TRUE(near(plain_newton_schulz(u, at::kFloat), exact, 2e-5));
  }
}

// The point of it: all directions of a matrix move about as far.
TEST(NewtonSchulz, BringsSingularValuesToAboutOne) {
  for (const MatrixShape& shape : {MatrixShape{48, 160}, {160, 48}}) {
    const at::Tensor values = at::linalg_svdvals(plain_newton_schulz(normal(shape, 2), at::kFloat));
    EXPECT_GT(values.min().item<double>(), 0.6);
    EXPECT_LT(values.max().item<double>(), 1.3);
  }
}

TEST(NewtonSchulz, OfNothingIsNothing) {
  const MatrixShape shape{8, 24};
  const at::Tensor x = at::zeros({8, 24});
  const at::Tensor memory = at::empty({NewtonSchulzScratch::bytes({shape}, false)}, at::kByte);
  cpu_newton_schulz(x.mutable_data_ptr<float>(), shape,
                    NewtonSchulzScratch({shape}, false, memory.mutable_data_ptr()));
  EXPECT_TRUE(at::equal(x, at::zeros({8, 24})));
}

struct Problem {
  std::vector<MuonMatrix> matrices;

  explicit Problem(const std::vector<MatrixShape>& shapes) {
    std::uint64_t seed = 10;
    for (const MatrixShape& shape : shapes)
      matrices.push_back({.parameter = normal(shape, ++seed),
                          .gradient = normal(shape, ++seed),
                          .momentum = normal(shape, ++seed) * 0.3,
                          .step = at::full({}, 4.0)});
  }
};

const MuonRates kRates{.learning_rate = 0.02,
                       .weight_decay = 0.1,
                       .momentum = 0.95,
                       .momentum_warmup = 10,
                       .match_rms = false};

struct Expected {
  at::Tensor parameter, momentum;
};

// As torch.optim.Muon's code has it, in float64.
Expected expected(const MuonMatrix& matrix, double factor, double momentum) {
  const at::Tensor g = matrix.gradient.to(at::kDouble) * factor;
  const at::Tensor buffer = matrix.momentum.to(at::kDouble).lerp(g, 1 - momentum);
  const at::Tensor x = plain_newton_schulz(g.lerp(buffer, momentum), at::kDouble);
  const MatrixShape shape = matrix.shape();
  const double scale = std::sqrt(
      std::max(1.0, static_cast<double>(shape.rows) / static_cast<double>(shape.columns)));
  return {matrix.parameter.to(at::kDouble) * (1 - 0.02 * 0.1) - 0.02 * scale * x, buffer};
}

struct Way {
  const char* name;
  std::unique_ptr<MuonUpdate> (*make)(const std::vector<MatrixShape>&);
  double tolerance;
};

std::ostream& operator<<(std::ostream& out, const Way& way) {
  return out << way.name;
}

const Way kWays[] = {
    {"cpu",
     [](const std::vector<MatrixShape>& shapes) { return cpu_muon_update(shapes, at::kFloat); },
     2e-6},
    {"cpu_bfloat16",
     [](const std::vector<MatrixShape>& shapes) { return cpu_muon_update(shapes, at::kBFloat16); },
     2e-3},
    {"tensors",
     [](const std::vector<MatrixShape>& shapes) {
       return tensor_muon_update(shapes, at::kCPU, at::kFloat);
     },
     2e-6},
    // Of an update of 0.02 a matrix: torch's own noise.
    {"bfloat16",
     [](const std::vector<MatrixShape>& shapes) {
       return tensor_muon_update(shapes, at::kCPU, at::kBFloat16);
     },
     2e-3}};

class UpdateByMuon : public ::testing::TestWithParam<Way> {};

TEST_P(UpdateByMuon, IsTorchsFormula) {
  const Problem problem(kShapes);
  const auto update = GetParam().make(kShapes);
  // After three of ten updates: 0.85 + 0.1 * 3 / 10.
  std::vector<Expected> want;
  for (const MuonMatrix& matrix : problem.matrices) want.push_back(expected(matrix, 0.37, 0.88));
  update->run(problem.matrices, kRates, at::full({}, 0.37), at::zeros({}));
  for (std::size_t i = 0; i < kShapes.size(); ++i) {
    EXPECT_TRUE(near(problem.matrices[i].momentum, want[i].momentum, 1e-6)) << i;
    EXPECT_TRUE(near(problem.matrices[i].parameter, want[i].parameter, GetParam().tolerance)) << i;
  }
}

TEST_P(UpdateByMuon, ThatIsSkippedWritesNothing) {
  const Problem problem(kShapes);
  std::vector<MuonMatrix> before;
  for (const MuonMatrix& matrix : problem.matrices) {
    before.push_back({.parameter = matrix.parameter.clone(),
                      .gradient = {},
                      .momentum = matrix.momentum.clone(),
                      .step = {}});
    matrix.gradient.fill_(std::numeric_limits<float>::quiet_NaN());
  }
  const at::Tensor nan = at::full({}, std::numeric_limits<float>::quiet_NaN());
  GetParam().make(kShapes)->run(problem.matrices, kRates, nan, at::ones({}));
  for (std::size_t i = 0; i < kShapes.size(); ++i) {
    EXPECT_TRUE(at::equal(problem.matrices[i].parameter, before[i].parameter)) << i;
    EXPECT_TRUE(at::equal(problem.matrices[i].momentum, before[i].momentum)) << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Ways, UpdateByMuon, ::testing::ValuesIn(kWays),
                         [](const auto& way) { return way.param.name; });

TEST(UpdateByMuon, HasTheSameBitsWithAnyNumberOfThreads) {
  std::vector<at::Tensor> results;
  for (const int threads : {1, 2, 3}) {
    const testing::ThreadCount count(threads);
    const Problem problem(kShapes);
    cpu_muon_update(kShapes, at::kFloat)->run(problem.matrices, kRates, {}, at::zeros({}));
    std::vector<at::Tensor> flat;
    for (const MuonMatrix& matrix : problem.matrices) flat.push_back(matrix.parameter.flatten());
    results.push_back(at::cat(flat));
  }
  EXPECT_TRUE(at::equal(results[0], results[1]));
  EXPECT_TRUE(at::equal(results[0], results[2]));
}

TEST(UpdateByMuon, AllocatesNothing) {
  install_cpu_memory();
  const Problem problem(kShapes);
  const auto update = cpu_muon_update(kShapes, at::kFloat);
  const at::Tensor skip = at::zeros({});
  const std::int64_t before = cpu_allocations();
  update->run(problem.matrices, kRates, {}, skip);
  EXPECT_EQ(cpu_allocations(), before);
}

TEST(MuonRates, MatchTheRootMeanSquareOfAdamWOrFollowTheShape) {
  const MuonRates match{.learning_rate = 1, .weight_decay = 0, .momentum = 0.95};
  EXPECT_DOUBLE_EQ(match.scale({100, 400}), 0.2 * 20);
  EXPECT_DOUBLE_EQ(match.scale({400, 100}), 0.2 * 20);
  EXPECT_DOUBLE_EQ(kRates.scale({100, 400}), 1);
  EXPECT_DOUBLE_EQ(kRates.scale({400, 100}), 2);
  EXPECT_DOUBLE_EQ(match.momentum_at(1), 0.95);
  EXPECT_DOUBLE_EQ(kRates.momentum_at(1), 0.85);
  EXPECT_NEAR(kRates.momentum_at(6), 0.90, 1e-12);
  EXPECT_NEAR(kRates.momentum_at(11), 0.95, 1e-12);
  EXPECT_NEAR(kRates.momentum_at(1000), 0.95, 1e-12);
}

TEST(DealtByCost, IsEven) {
  EXPECT_EQ(dealt_by_cost({6, 18, 18, 6, 6, 6}, 2), (std::vector<int>{0, 0, 1, 1, 0, 1}));
  EXPECT_EQ(dealt_by_cost({1, 2}, 3), (std::vector<int>{1, 0}));
  EXPECT_TRUE(dealt_by_cost({}, 2).empty());
}

}  // namespace
}  // namespace gpt
