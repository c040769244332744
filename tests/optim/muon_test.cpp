#include "gpt/optim/muon.h"

#include <fstream>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "gpt/device/cpu_memory.h"

#include "support/python.h"
#include "support/temp_dir.h"
#include "support/tensor_near.h"

namespace gpt {

static void PrintTo(Offload offload, std::ostream* out) {
  *out << offload_name(offload);
}

namespace {

using testing::near;
using testing::TempDir;

at::Tensor leaf(at::IntArrayRef sizes, at::Generator& generator) {
  return at::randn(sizes, generator).set_requires_grad(true);
}

// A block's matrices, the first one of three, and what AdamW has.
std::vector<OptimizedTensor> parameters() {
  auto g = testing::generator(3);
  return {{leaf({61, 32}, g)},    {leaf({32}, g)},         {leaf({96, 32}, g), 3},
          {leaf({32, 32}, g), 1}, {leaf({128, 32}, g), 1}, {leaf({32, 128}, g), 1},
          {leaf({128}, g)}};
}

void set_gradients(const std::vector<OptimizedTensor>& list, std::uint64_t seed) {
  auto g = testing::generator(seed);
  for (const OptimizedTensor& parameter : list)
    parameter.tensor.mutable_grad() = at::randn(parameter.tensor.sizes(), g);
}

constexpr int kSteps = 8;
constexpr double kRate = 0.02;

struct TorchCase {
  std::int64_t rows, columns;
  const char *scale, *torchs_scale;

  std::string text() const {
    return std::to_string(rows) + ":" + std::to_string(columns) + ":" + torchs_scale;
  }
};

constexpr TorchCase kTorchCases[] = {{64, 64, "match_rms", "match_rms_adamw"},
                                     {96, 24, "original", "original"},
                                     {24, 96, "original", "original"},
                                     {130, 70, "match_rms", "match_rms_adamw"}};

// What torch makes of the weights and gradients of all cases, by tests/optim/muon_steps.py.
at::Tensor torchs(const std::vector<at::Tensor>& values, std::int64_t results) {
  const TempDir dir;
  const at::Tensor flat = at::cat(values);
  std::ofstream(dir / "in", std::ios::binary)
      .write(static_cast<const char*>(flat.const_data_ptr()),
             static_cast<std::streamsize>(flat.nbytes()));
  std::vector<std::string> arguments{(dir / "in").string(),
                                     (dir / "out").string(),
                                     std::to_string(kSteps),
                                     std::to_string(kRate),
                                     "0.1",
                                     "0.9"};
  for (const TorchCase& c : kTorchCases) arguments.push_back(c.text());
  const auto done =
      testing::run_python(testing::venv_python(), "tests/optim/muon_steps.py", arguments);
  EXPECT_EQ(done.code, 0) << done.out;
  at::Tensor out = at::zeros({results});
  std::ifstream(dir / "out", std::ios::binary)
      .read(static_cast<char*>(out.mutable_data_ptr()), static_cast<std::streamsize>(out.nbytes()));
  return out;
}

TEST(Muon, MakesTheStepsOfTorchs) {
  if (testing::venv_python().empty())
    GTEST_SKIP() << "no PyTorch in the cache folder; scripts/setup installs it";
  auto g = testing::generator(5);
  std::vector<at::Tensor> values, ours, momenta;
  std::int64_t results = 0;
  for (const TorchCase& c : kTorchCases) {
    const at::Tensor weight = leaf({c.rows, c.columns}, g);
    values.push_back(weight.detach().clone().flatten());
    OptimizerConfig config;
    config.learning_rate = kRate;
    config.weight_decay = 0.1;
    config.muon_momentum = 0.9;
    config.muon_scale = c.scale;
    Muon optimizer({{weight, 1}}, config);
    for (int i = 0; i < kSteps; ++i) {
      weight.mutable_grad() = at::randn({c.rows, c.columns}, g);
      values.push_back(weight.grad().clone().flatten());
      optimizer.step(kRate, at::zeros({}));
    }
    ours.push_back(weight.detach().flatten());
    momenta.push_back(optimizer.state_tensors(0)[0].tensor.flatten());
    results += 4 * weight.numel();
  }
  const at::Tensor out = torchs(values, results);
  std::int64_t at = 0;
  for (std::size_t i = 0; i < ours.size(); ++i) {
    const std::int64_t size = ours[i].numel();
    const at::Tensor exact = out.narrow(0, at, size), momentum = out.narrow(0, at + size, size),
                     rounded = out.narrow(0, at + 2 * size, size);
    at += 4 * size;
    EXPECT_TRUE(near(ours[i], exact, 3e-6)) << kTorchCases[i].text();
    EXPECT_TRUE(near(momenta[i], momentum, 1e-6)) << kTorchCases[i].text();
    // By the rounding to bfloat16 torch is so far from itself; ours is no farther.
    const double noise = testing::distance(rounded, exact);
    EXPECT_GT(noise, 1e-5);
    EXPECT_LT(noise, 1e-2);
    EXPECT_TRUE(near(ours[i], rounded, 1.01 * noise + 1e-5)) << kTorchCases[i].text();
    std::printf("%s: %.2g from torch's in float32, %.2g from torch's\n",
                kTorchCases[i].text().c_str(), testing::distance(ours[i], exact),
                testing::distance(ours[i], rounded));
  }
}

TEST(Muon, UpdatesEachOfTheMatricesThatLieInATensor) {
  auto g = testing::generator(8);
  const at::Tensor together = leaf({96, 32}, g);
  std::vector<OptimizedTensor> apart;
  for (const at::Tensor& part : together.detach().chunk(3))
    apart.push_back({part.clone().set_requires_grad(true), 1});
  Muon one({{together, 3}}, {}), three(apart, {});
  together.mutable_grad() = at::randn({96, 32}, g);
  const std::vector<at::Tensor> parts = together.grad().chunk(3);
  for (std::size_t i = 0; i < 3; ++i) apart[i].tensor.mutable_grad() = parts[i].clone();
  one.step(1e-2, at::zeros({}));
  three.step(1e-2, at::zeros({}));
  for (std::size_t i = 0; i < 3; ++i)
    EXPECT_TRUE(at::equal(together.detach().chunk(3)[i], apart[i].tensor)) << i;
}

TEST(Muon, LeavesTheOthersToAdamW) {
  const auto ours = parameters(), reference = parameters();
  Muon muon(ours, {});
  AdamW adamw({reference[0].tensor, reference[1].tensor, reference[6].tensor}, {});
  for (std::uint64_t i = 0; i < 3; ++i) {
    set_gradients(ours, i);
    set_gradients(reference, i);
    muon.step(1e-2, at::zeros({}), at::full({}, 0.5));
    adamw.step(1e-2, at::zeros({}), at::full({}, 0.5));
  }
  for (const std::size_t i : {0, 1, 6})
    EXPECT_TRUE(at::equal(ours[i].tensor, reference[i].tensor)) << i;
  EXPECT_EQ(muon.state_tensors(6)[1].name, "exp_avg_sq");
  EXPECT_TRUE(at::equal(muon.state_tensors(6)[1].tensor, adamw.state(2).exp_avg_sq));
}

TEST(Muon, NamesItsStateAndItsGroups) {
  const auto list = parameters();
  const Muon muon(list, {});
  const auto state = muon.state_tensors(2);
  ASSERT_EQ(state.size(), 2U);
  EXPECT_EQ(state[0].name, "momentum_buffer");
  EXPECT_EQ(state[0].tensor.sizes(), list[2].tensor.sizes());
  EXPECT_EQ(state[1].name, "step");
  for (std::size_t i = 0; i < list.size(); ++i) {
    const auto said = state_shapes_of(list[i]), is = muon.state_shapes(i);
    ASSERT_EQ(said.size(), is.size()) << i;
    for (std::size_t k = 0; k < is.size(); ++k) {
      EXPECT_EQ(said[k].name, is[k].name);
      EXPECT_EQ(said[k].sizes, is[k].sizes);
    }
  }
  const auto groups = muon.groups();
  ASSERT_EQ(groups.size(), 3U);
  EXPECT_EQ(groups[0].name, "Muon");
  EXPECT_EQ(groups[0].tensors, 4U);
  EXPECT_EQ(groups[0].parameters, 32 * 32 * 12);
  EXPECT_EQ(groups[1].parameters, 61 * 32);
  EXPECT_EQ(groups[2].parameters, 32 + 128);
  EXPECT_EQ(muon.state_bytes(), 4 * (32 * 32 * 12 + 2 * (61 * 32 + 32 + 128) + 7));
}

TEST(Muon, HasTheNormOfAllGradients) {
  const auto list = parameters();
  set_gradients(list, 4);
  Muon muon(list, {});
  double squares = 0;
  for (const OptimizedTensor& parameter : list)
    squares += parameter.tensor.grad().to(at::kDouble).square().sum().item<double>();
  EXPECT_NEAR(muon.gradient_norm().item<double>(), std::sqrt(squares), 1e-4);
}

// The change of a matrix by one step, of a rate that is half its peak.
at::Tensor change(double peak, double muon_peak) {
  auto g = testing::generator(6);
  const at::Tensor weight = leaf({16, 16}, g), before = weight.detach().clone();
  OptimizerConfig config;
  config.learning_rate = peak;
  config.muon_lr = muon_peak;
  Muon muon({{weight, 1}}, config);
  weight.mutable_grad() = at::randn({16, 16}, g);
  muon.step(peak / 2, at::zeros({}));
  return weight.detach() - before;
}

TEST(Muon, HasARateOfItsOwnThatFollowsTheSchedule) {
  EXPECT_TRUE(near(change(4e-3, 0.04), change(0.04, 0), 1e-6));
  EXPECT_TRUE(near(change(4e-3, 4e-3), change(4e-3, 0), 1e-7));
  EXPECT_FALSE(near(change(4e-3, 0.04), change(4e-3, 0), 1e-3));
}

// The number of updates, which the momentum's warm-up goes by, is of the state.
TEST(Muon, CountsOnlyStepsThatAreMade) {
  OptimizerConfig config;
  config.muon_momentum = 0.95;
  config.muon_momentum_warmup = 3;
  const auto a = parameters(), b = parameters();
  Muon with_skipped(a, config), without(b, config);
  for (std::uint64_t i = 0; i < 6; ++i) {
    set_gradients(a, i);
    const bool skipped = i == 1 || i == 4;
    if (skipped) a[2].tensor.mutable_grad().fill_(std::numeric_limits<float>::infinity());
    with_skipped.step(1e-2, at::full({}, skipped ? 1.0 : 0.0));
    if (skipped) continue;
    set_gradients(b, i);
    without.step(1e-2, at::zeros({}));
  }
  for (std::size_t i = 0; i < a.size(); ++i) EXPECT_TRUE(at::equal(a[i].tensor, b[i].tensor)) << i;
  EXPECT_EQ(with_skipped.state_tensors(2)[1].tensor.item<double>(), 4);
  // Another momentum is another result.
  const auto c = parameters();
  Muon constant(c, {});
  for (const std::uint64_t i : {0, 2, 3, 5}) {
    set_gradients(c, i);
    constant.step(1e-2, at::zeros({}));
  }
  EXPECT_FALSE(at::equal(a[2].tensor, c[2].tensor));
}

class OffloadedMuon : public ::testing::TestWithParam<Offload> {};

TEST_P(OffloadedMuon, GivesTheSameBits) {
  for (const std::int64_t buffer : {1, 9000, 1 << 20}) {
    const auto a = parameters(), b = parameters();
    Muon resident(a, {}), streamed(b, {}, GetParam(), buffer);
    for (std::uint64_t i = 0; i < 5; ++i) {
      set_gradients(a, i);
      set_gradients(b, i);
      const at::Tensor skip = at::full({}, i == 3 ? 1.0 : 0.0);
      resident.step(1e-2, skip);
      streamed.step(1e-2, skip);
    }
    for (std::size_t i = 0; i < a.size(); ++i) {
      EXPECT_TRUE(at::equal(a[i].tensor, b[i].tensor)) << i << " with a buffer of " << buffer;
      const auto x = resident.state_tensors(i), y = streamed.state_tensors(i);
      ASSERT_EQ(x.size(), y.size());
      for (std::size_t k = 0; k < x.size(); ++k)
        EXPECT_TRUE(at::equal(x[k].tensor, y[k].tensor)) << i << x[k].name;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Levels, OffloadedMuon,
                         ::testing::Values(Offload::kMoments, Offload::kWeights),
                         [](const auto& level) { return offload_name(level.param); });

TEST(Muon, AStepAllocatesNothing) {
  install_cpu_memory();
  for (const Offload offload : kOffloadLevels) {
    const auto list = parameters();
    Muon muon(list, {}, offload, 300);
    set_gradients(list, 1);
    const at::Tensor skip = at::zeros({});
    const std::int64_t before = cpu_allocations();
    muon.step(1e-3, skip);
    EXPECT_EQ(cpu_allocations(), before) << offload_name(offload);
  }
}

TEST(Muon, MissingGradientIsAnError) {
  const auto list = parameters();
  Muon muon(list, {});
  set_gradients(list, 1);
  list[3].tensor.mutable_grad() = at::Tensor();
  EXPECT_THROW(muon.step(1e-3, at::zeros({})), c10::Error);
}

}  // namespace
}  // namespace gpt
