// The loss of the targets that count alone: PyTorch's cross-entropy with ignore_index says what it
// is, however a step is cut and dealt out.
#include <cmath>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "gpt/base/error.h"
#include "gpt/base/strings.h"

#include "support/error_text.h"
#include "support/ranks.h"
#include "support/tiny_run.h"

namespace gpt {
namespace {

using testing::error_text;
using testing::TempDir;
using testing::tiny_config;
using testing::TinyRun;

// A stretch that counts, of 3 tokens in 11, and others with none.
std::string some_mask(std::int64_t tokens) {
  std::string mask(static_cast<std::size_t>(tokens), '\0');
  for (std::size_t i = 0; i < mask.size(); ++i) mask[i] = i % 11 < 3 && i % 97 < 60;
  return mask;
}

class LossMask : public ::testing::TestWithParam<bool> {  // compile
 protected:
  LossMask() : base_(tiny_config(dir_)) {
    base_.system.compile = GetParam();
    base_.data.batch_size = base_.data.gradient_accumulation_steps = 3;
    dir_.write("tokens/train.mask", some_mask(20000));
    dir_.write("tokens/val.mask", some_mask(4000));
  }

  TrainConfig config(const std::string& out = "out") const {
    TrainConfig config = base_;
    config.io.out_dir = (dir_ / out).string();
    return config;
  }

  const TempDir dir_;

 private:
  TrainConfig base_;
};

struct Expected {
  double mean_loss, last_loss, gradient_norm;
};

// In float64, of the windows that the run is about to train on.
Expected oracle(const TinyRun& run, std::int64_t last) {
  const std::vector<std::int64_t> drawn = run.batches.position().pending;
  const Gpt model = run.model.copied(at::kDouble);
  const at::Tensor offsets = at::tensor(at::ArrayRef<std::int64_t>(drawn), at::kLong)
                                 .narrow(0, 0, run.batches.effective_batch());
  const Batch batch = make_batch(rows_of(run.dataset.train.front().tokens, offsets), 0,
                                 run.config.data.block_size, at::kCPU);
  const at::Tensor& wte = model.parameters().front().tensor;
  const at::Tensor logits = at::matmul(model.forward(batch.x_BT), wte.t());
  const auto loss = [&](std::int64_t first) {
    const std::int64_t count = logits.size(0) - first;
    return at::cross_entropy_loss(logits.narrow(0, first, count).flatten(0, 1),
                                  batch.training_targets().narrow(0, first, count).flatten(), {},
                                  at::Reduction::Mean, -1);
  };
  const at::Tensor mean = loss(0);
  mean.backward();
  double squares = 0;
  for (const Parameter& p : model.parameters())
    squares += p.tensor.grad().square().sum().item<double>();
  return {mean.item<double>(), loss(logits.size(0) - last).item<double>(), std::sqrt(squares)};
}

TEST_P(LossMask, IsPyTorchsLossWithIgnoreIndex) {
  for (const std::int64_t micro : {9, 4, 1}) {
    TrainConfig c = config();
    c.data.micro_batch_size.value = micro;
    TinyRun run(c);
    for (int step = 0; step < 3; ++step) {
      run.batches.begin_step(/*evaluation_follows=*/false);
      const Expected expected = oracle(run, c.data.batch_size);
      const StepResult actual = run.trainer.step();
      EXPECT_NEAR(actual.mean_loss, expected.mean_loss, 1e-5) << micro;
      EXPECT_NEAR(actual.last_loss, expected.last_loss, 1e-5) << micro;
      EXPECT_NEAR(actual.gradient_norm, expected.gradient_norm, 1e-5 * expected.gradient_norm)
          << micro;
    }
  }
}

TEST_P(LossMask, OfOnesIsNone) {
  const TrainConfig c = config();
  dir_.write("tokens/train.mask", std::string(20000, '\1'));
  TinyRun masked(c);
  TrainConfig off = config("off");
  off.data.loss_mask = "off";
  TinyRun whole(off);
  for (int step = 0; step < 3; ++step)
    EXPECT_EQ(masked.trainer.step().mean_loss, whole.trainer.step().mean_loss);
  EXPECT_EQ(masked.checksum(), whole.checksum());
}

TEST_P(LossMask, ABatchOfWhichNothingCountsHasNoLossAndNoGradient) {
  const TrainConfig c = config();
  std::string mask(20000, '\0');
  mask.back() = 1;
  dir_.write("tokens/train.mask", mask);
  TinyRun run(c);
  const StepResult result = run.trainer.step();
  EXPECT_EQ(result.mean_loss, 0);
  EXPECT_EQ(result.last_loss, 0);
  EXPECT_EQ(result.gradient_norm, 0);
  EXPECT_FALSE(result.skipped);
  for (const Parameter& p : run.model.parameters())
    EXPECT_TRUE(at::isfinite(p.tensor).all().item<bool>()) << p.name;
}

TEST_P(LossMask, IsTheSameForAnyNumberOfProcesses) {
  const auto losses = [&](int ranks) {
    std::vector<double> all;
    const auto errors = testing::run_ranks(ranks, [&](ProcessGroup& group) {
      TrainConfig c = config(concat("ranks", ranks, ".", group.rank()));
      c.data.micro_batch_size.value = 2;
      TinyRun run(c, {}, {at::kCPU, at::kFloat}, group);
      const auto evaluated = estimate_loss(*run.engine, run.batches, group, 3,
                                           [](std::int64_t, std::int64_t) { return true; });
      std::vector<double> mine{evaluated->train, evaluated->val, *evaluated->masked_train,
                               *evaluated->masked_val};
      for (int step = 0; step < 5; ++step) mine.push_back(run.trainer.step().mean_loss);
      if (group.is_first()) all = mine;
    });
    for (const std::string& error : errors) EXPECT_EQ(error, "");
    return all;
  };
  const auto one = losses(1);
  ASSERT_EQ(one.size(), 9u);
  for (const int ranks : {2, 3}) {
    const auto several = losses(ranks);
    ASSERT_EQ(several.size(), one.size());
    for (std::size_t i = 0; i < one.size(); ++i)
      EXPECT_NEAR(several[i], one[i], 2e-5) << ranks << " processes, loss " << i;
  }
}

TEST_P(LossMask, AnEvaluationCountsTheOthersApart) {
  const auto evaluated = [&](const char* mask) {
    TrainConfig c = config();
    c.data.loss_mask = mask;
    TinyRun run(c);
    return *estimate_loss(*run.engine, run.batches, run.group, 4,
                          [](std::int64_t, std::int64_t) { return true; });
  };
  const SplitLosses all = evaluated("off"), apart = evaluated("auto");
  EXPECT_FALSE(all.masked_train || all.masked_val);
  ASSERT_TRUE(apart.masked_train && apart.masked_val);
  // The windows are the same ones, of which so many targets count.
  TinyRun run(config());
  run.batches.request_evaluation(Split::kTrain, 4);
  double counted = 0, whole = 0;
  for (int batch = 0; batch < 4; ++batch) {
    const at::Tensor marks = run.batches.take().counted_BT;
    counted += marks.sum().item<double>();
    whole += static_cast<double>(marks.numel());
  }
  EXPECT_NEAR((apart.train * counted + *apart.masked_train * (whole - counted)) / whole, all.train,
              1e-6);
  EXPECT_NE(apart.train, all.train);
}

TEST_P(LossMask, AResumedRunIsTheUninterruptedOne) {
  TrainConfig c = config("whole");
  c.optimizer.max_iters = 25;
  c.data.micro_batch_size.value = 9;
  TinyRun whole(c);
  ASSERT_EQ(whole.go(), kExitDone);
  TrainConfig early = config("early");
  early.optimizer.max_iters = 12;
  early.data.micro_batch_size.value = 9;
  ASSERT_EQ(TinyRun(early).go(), kExitDone);
  early.optimizer.max_iters = 25;
  const auto resumed = TinyRun::resumed(early, *CheckpointStore(early.io.out_dir, 2).newest_good());
  ASSERT_EQ(resumed->go(), kExitDone);
  EXPECT_EQ(resumed->checksum(), whole.checksum());
}

TEST_P(LossMask, ThatDoesNotFitIsRefused) {
  const TrainConfig c = config();
  dir_.write("tokens/train.mask", std::string(20000, '\0'));
  EXPECT_NE(error_text<InputError>([&] { open_dataset(c); }).find("no target counts"),
            std::string::npos);
  dir_.write("tokens/train.mask", "\1");
  EXPECT_NE(error_text<InputError>([&] { open_dataset(c); }).find("has 1 bytes, but"),
            std::string::npos);
  TrainConfig off = c;
  off.data.loss_mask = "off";
  EXPECT_FALSE(open_dataset(off).train.front().tokens.has_masks());
  fs::remove(dir_ / "tokens/train.mask");
  dir_.write("tokens/meta.json",
             R"({"tokenizer": "gpt2", "vocab_size": 61, "train_mask_crc32c": "00000000"})");
  EXPECT_NE(error_text<InputError>([&] { open_dataset(c); }).find("train.mask: is missing"),
            std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(Engines, LossMask, ::testing::Bool(),
                         [](const auto& engine) { return engine.param ? "Fused" : "Eager"; });

}  // namespace
}  // namespace gpt
