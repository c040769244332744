// What a run does when a kernel goes wrong under it.
#include "gpt/train/canary.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "gpt/base/files.h"
#include "gpt/kernels/device_choices.h"
#include "gpt/model/engines.h"

#include "support/error_text.h"
#include "support/tiny_run.h"

namespace gpt {
namespace {

using enum AttentionKernel;
using testing::error_text;
using testing::TempDir;
using testing::tiny_config;
using testing::TinyRun;

class CanaryIn : public ::testing::Test {
 protected:
  ~CanaryIn() override { set_device_choices(std::nullopt); }

  std::string metrics(const TrainConfig& config) const {
    return read_file(fs::path(config.io.out_dir) / "metrics.jsonl");
  }
  std::size_t events(const TrainConfig& config, const std::string& name) const {
    const std::string text = metrics(config), word = "\"" + name + "\"";
    std::size_t count = 0;
    for (std::size_t at = 0; (at = text.find(word, at)) != std::string::npos; ++at) ++count;
    return count;
  }

  const TempDir dir_;
  const Compute cpu_{c10::Device(c10::kCPU), at::kFloat};
};

// An engine whose losses are off.
class OffEngine : public Engine {
 public:
  OffEngine(Engine& right, double off) : right_(right), off_(off) {}
  EngineKind kind() const override { return right_.kind(); }
  at::Tensor accumulate(const at::Tensor& x, const at::Tensor& y, const LossScale& scale,
                        const DropoutState& dropout) override {
    return right_.accumulate(x, y, scale, dropout);
  }
  at::Tensor token_losses(const at::Tensor& x, const at::Tensor& y) override {
    return right_.token_losses(x, y) + off_;
  }
  std::vector<at::Tensor> gradient_buffers() const override { return right_.gradient_buffers(); }
  void replan(const Plan& plan) override { right_.replan(plan); }
  void mask_documents(std::int64_t end) override { right_.mask_documents(end); }

 private:
  Engine& right_;
  double off_;
};

TEST_F(CanaryIn, ComplainsOfLossesThatAreOffOrNotFinite) {
  const TrainConfig config = tiny_config(dir_);
  TinyRun run(config);
  const Canary canary(config, run.model, cpu_, run.dataset);
  EXPECT_FALSE(canary.complaint(*run.engine));
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const auto& [off, wrong] :
       {std::pair{0.009, false}, {0.011, true}, {-0.02, true}, {nan, true}}) {
    OffEngine engine(*run.engine, off);
    EXPECT_EQ(canary.complaint(engine).has_value(), wrong) << off;
  }
}

// Weights that give no finite loss by any engine are not a kernel's fault.
TEST_F(CanaryIn, SaysNothingOfWeightsThatAreNotFinite) {
  const TrainConfig config = tiny_config(dir_);
  TinyRun run(config);
  const Canary canary(config, run.model, cpu_, run.dataset);
  run.model.parameters()[0].tensor.detach().fill_(std::numeric_limits<float>::quiet_NaN());
  run.engine->weights_changed();
  EXPECT_FALSE(canary.complaint(*run.engine));
}

TEST_F(CanaryIn, StepsDownUntilAllIsWellAndSaysSo) {
  TrainConfig config = tiny_config(dir_);
  config.optimizer.max_iters = 25;  // evaluations at 0 and 20
  TinyRun run(config);
  set_device_choices(DeviceChoices{.attention = {kCudnn, kFlash}, .machine = "a card"});
  int asked = 0;
  run.trainer.canary = [&](Engine&) -> std::optional<std::string> {
    ++asked;
    if (device_choices()->fused) return "its losses are off";
    return std::nullopt;
  };
  EXPECT_EQ(run.go(), kExitDone);
  EXPECT_EQ(asked, 6) << "four times at the first evaluation, once as it is done again, and once "
                         "at the second";
  EXPECT_TRUE(device_choices()->attention.empty());
  EXPECT_FALSE(device_choices()->fused);
  EXPECT_EQ(events(config, "probe"), 3u) << metrics(config);
  EXPECT_LT(metrics(config).rfind("\"probe\""), metrics(config).find("\"eval\""))
      << "what is evaluated is evaluated after all steps down";
  // A resumed run continues where this one has stepped down to.
  const auto saved = run.store.newest_good();
  ASSERT_TRUE(saved);
  EXPECT_EQ(parse_device_choices(saved->manifest.choices_json, "x"), *device_choices());
}

TEST_F(CanaryIn, WithNothingLeftTheRunGoesOn) {
  TrainConfig config = tiny_config(dir_);
  config.optimizer.max_iters = 3;
  TinyRun run(config);
  set_device_choices(DeviceChoices{.kernels = false, .fused = false});
  run.trainer.canary = [](Engine&) { return std::optional<std::string>("off"); };
  EXPECT_EQ(run.go(), kExitDone);
}

// On the CPU nobody chooses, and the manifest says nothing of it.
TEST_F(CanaryIn, IsNotAskedOnTheCpu) {
  const TrainConfig config = tiny_config(dir_);
  TinyRun run(config);
  EXPECT_FALSE(run.trainer.canary);
  run.go();
  EXPECT_EQ(run.store.newest_good()->manifest.choices_json, "");
}

struct PoisonedRun {
  PoisonedRun(const TrainConfig& config, const Compute& where)
      : run(std::make_unique<TinyRun>(config, std::nullopt, where)) {
    run->trainer.train_step().after_backward = [this] {
      ++steps;
      run->model.parameters()[0].tensor.grad().fill_(std::numeric_limits<float>::quiet_NaN());
    };
  }
  std::unique_ptr<TinyRun> run;
  int steps = 0;
};

// The first step that is not finite costs cuDNN's attention, and counts no more than those that
// were queued with it.
TEST_F(CanaryIn, ANonFiniteStepOfBf16CostsCudnnsAttentionBeforeItCounts) {
  for (const bool late : {false, true}) {
    set_device_choices(DeviceChoices{.attention = {kCudnn, kFlash}});
    TrainConfig config = tiny_config(dir_);
    config.io.out_dir = (dir_ / (late ? "late" : "out")).string();
    config.optimizer.max_bad_steps = 3;
    PoisonedRun poisoned(config, {c10::Device(c10::kCPU), at::kBFloat16});
    poisoned.run->trainer.reads_late = late;
    EXPECT_NE(error_text([&] { poisoned.run->go(); }).find("3 steps in a row"), std::string::npos);
    EXPECT_EQ(poisoned.steps, late ? 6 : 4) << "excused: the first, and the one queued with it";
    EXPECT_EQ(device_choices()->attention, std::vector{kFlash});
    EXPECT_EQ(events(config, "probe"), 1u);
  }
}

// With dropout it is the tiled kernel that training uses, and cuDNN's has no part in it.
TEST_F(CanaryIn, ANonFiniteStepWithDropoutCostsTheTiledKernel) {
  for (const bool tiled : {false, true}) {
    set_device_choices(DeviceChoices{.attention = {kCudnn}, .tiled_attention = tiled});
    TrainConfig config = tiny_config(dir_);
    config.io.out_dir = (dir_ / (tiled ? "tiled" : "out")).string();
    config.model.dropout = 0.1;
    config.optimizer.max_bad_steps = 3;
    PoisonedRun poisoned(config, {c10::Device(c10::kCPU), at::kBFloat16});
    EXPECT_NE(error_text([&] { poisoned.run->go(); }), "");
    EXPECT_EQ(poisoned.steps, tiled ? 4 : 3);
    EXPECT_FALSE(device_choices()->tiled_attention);
    EXPECT_EQ(device_choices()->attention, std::vector{kCudnn});
    EXPECT_EQ(events(config, "probe"), tiled ? 1u : 0u);
  }
}

TEST_F(CanaryIn, ANonFiniteStepCountsWithoutCudnnsAttention) {
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
    const bool half = type == at::kBFloat16;
    set_device_choices(DeviceChoices{.attention = {half ? kFlash : kCudnn}});
    TrainConfig config = tiny_config(dir_);
    config.io.out_dir = (dir_ / (half ? "half" : "out")).string();
    config.optimizer.max_bad_steps = 3;
    PoisonedRun poisoned(config, {c10::Device(c10::kCPU), type});
    EXPECT_NE(error_text([&] { poisoned.run->go(); }), "");
    EXPECT_EQ(poisoned.steps, 3);
    EXPECT_EQ(events(config, "probe"), 0u);
  }
}

}  // namespace
}  // namespace gpt
