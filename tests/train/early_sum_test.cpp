#include "gpt/train/early_sum.h"

#include <map>
#include <mutex>

#include <ATen/ATen.h>
#include <c10/util/Exception.h>
#include <gtest/gtest.h>

#include "gpt/model/engines.h"

#include "support/ranks.h"
#include "support/tiny_run.h"

namespace gpt {
namespace {

using testing::run_ranks;
using testing::TempDir;
using testing::tiny_config;
using testing::TinyRun;

constexpr int kSteps = 4;

// Large enough for three parts.
TrainConfig config_of(const TempDir& dir, const std::string& out) {
  TrainConfig config = tiny_config(dir);
  config.io.out_dir = (dir / out).string();
  config.data.batch_size = 8;
  config.data.micro_batch_size.value = 2;
  config.model.n_layer = 4;
  config.model.n_embd = 256;
  config.system.dtype = "float32";
  return config;
}

// The engine of GPUs, here on the CPU; `out_of_memory` says after how many complete parts the
// memory of this process runs out, and is then 0.
class WatchedEngine : public Engine {
 public:
  WatchedEngine(std::unique_ptr<Engine> engine, std::size_t out_of_memory)
      : engine_(std::move(engine)), out_of_memory_(out_of_memory) {}

  EngineKind kind() const override { return engine_->kind(); }
  at::Tensor accumulate(const at::Tensor& x_BT, const at::Tensor& y_BT, const LossScale& scale,
                        const DropoutState& dropout) override {
    return engine_->accumulate(x_BT, y_BT, scale, dropout);
  }
  at::Tensor accumulate_last(const at::Tensor& x_BT, const at::Tensor& y_BT, const LossScale& scale,
                             const DropoutState& dropout,
                             const GradientsComplete& complete) override {
    std::vector<at::Tensor> at_completion;
    const at::Tensor losses =
        engine_->accumulate_last(x_BT, y_BT, scale, dropout, [&](std::size_t parts) {
          const auto all = engine_->gradient_parts();
          while (at_completion.size() < parts)
            at_completion.push_back(all[at_completion.size()].clone());
          calls.push_back(parts);
          if (watches) return;
          complete(parts);
          if (out_of_memory_ != 0 && parts >= out_of_memory_) {
            out_of_memory_ = 0;
            TORCH_CHECK_WITH(OutOfMemoryError, false, "planted");
          }
        });
    const auto all = engine_->gradient_parts();
    if (watches)
      for (std::size_t i = 0; i < all.size(); ++i) unchanged &= all[i].equal(at_completion[i]);
    return losses;
  }
  std::vector<at::Tensor> gradient_parts() const override { return engine_->gradient_parts(); }
  at::Tensor token_losses(const at::Tensor& x_BT, const at::Tensor& y_BT) override {
    return engine_->token_losses(x_BT, y_BT);
  }
  std::vector<at::Tensor> gradient_buffers() const override { return engine_->gradient_buffers(); }
  void weights_changed() override { engine_->weights_changed(); }
  void replan(const Plan& plan) override { engine_->replan(plan); }
  void mask_documents(std::int64_t end_token) override { engine_->mask_documents(end_token); }

  bool watches = false;   // tells nobody, and compares
  bool unchanged = true;  // what was complete
  std::vector<std::size_t> calls;

 private:
  std::unique_ptr<Engine> engine_;
  std::size_t out_of_memory_;
};

// A run's steps by hand.
class Steps {
 public:
  Steps(const TrainConfig& config, ProcessGroup& group, std::size_t out_of_memory = 0)
      : run_(config, {}, {at::kCPU, at::kFloat}, group),
        engine(make_tensor_engine(run_.config, run_.model, run_.compute), out_of_memory),
        step({run_.config, run_.compute, run_.model, engine, *run_.optimizer, run_.scaler,
              run_.batches, group, guard_, run_.statistics}) {}

  double next() {
    const double loss = step.queue(next_).wait().mean_loss;
    ++next_;
    run_.batches.finish_step();
    return loss;
  }
  // The same batch again, in smaller pieces.
  void restart() {
    step.drop_gradients();
    run_.batches.restart_step(1);
  }
  std::uint32_t checksum() const { return run_.checksum(); }

 private:
  TinyRun run_;
  SpikeGuard guard_{run_.config.optimizer, Manifest()};
  std::int64_t next_ = 0;

 public:
  WatchedEngine engine;
  TrainStep step;
};

TEST(EarlySum, WhatIsCompleteIsNotTouchedAnyMore) {
  const TempDir dir;
  Steps steps(config_of(dir, "one"), single_process());
  EXPECT_FALSE(steps.step.sums_early) << "alone";
  steps.step.sums_early = true;
  steps.engine.watches = true;
  for (int i = 0; i < 2; ++i) steps.next();
  EXPECT_TRUE(steps.engine.unchanged);
  EXPECT_EQ(steps.engine.calls, (std::vector<std::size_t>{1, 2, 3, 1, 2, 3}));
  const auto parts = steps.engine.gradient_parts();
  std::int64_t elements = 0;
  for (const at::Tensor& part : parts) elements += part.numel();
  EXPECT_EQ(elements, steps.engine.gradient_buffers().front().numel()) << "all, and once";
}

struct Seen {
  std::vector<double> losses;
  std::uint32_t checksum = 0;
  std::size_t calls = 0;
  int retries = 0;
};

// By rank.
std::map<int, Seen> train(const TempDir& dir, const std::string& out, bool early,
                          std::size_t out_of_memory = 0) {
  std::vector<TrainConfig> configs;
  for (int rank = 0; rank < 2; ++rank)
    configs.push_back(config_of(dir, out + std::to_string(rank)));
  std::map<int, Seen> seen;
  std::mutex mutex;
  const auto errors = run_ranks(2, [&](ProcessGroup& group) {
    Steps steps(configs[static_cast<std::size_t>(group.rank())], group,
                group.rank() == 1 ? out_of_memory : 0);
    steps.step.sums_early = early;
    Seen own;
    while (own.losses.size() < kSteps) {
      try {
        own.losses.push_back(steps.next());
        continue;
      } catch (const OutOfMemoryElsewhere&) {
      } catch (const c10::OutOfMemoryError&) {
        group.report_out_of_memory();
      }
      ++own.retries;
      steps.restart();
    }
    own.checksum = steps.checksum();
    own.calls = steps.engine.calls.size();
    const std::scoped_lock lock(mutex);
    seen[group.rank()] = own;
  });
  for (const std::string& error : errors) EXPECT_EQ(error, "");
  return seen;
}

TEST(EarlySum, GivesTheSameBitsAsTheSumAtTheEnd) {
  const TempDir dir;
  auto late = train(dir, "late", false), early = train(dir, "early", true);
  for (const int rank : {0, 1}) {
    EXPECT_EQ(early[rank].losses, late[rank].losses);
    EXPECT_EQ(early[rank].checksum, late[rank].checksum);
    EXPECT_EQ(early[rank].calls, 3u * kSteps);
    EXPECT_EQ(late[rank].calls, 0u);
  }
}

// One process fails when the other may be waiting in the middle of the sum, at each of its places.
TEST(EarlySum, MemoryThatRunsOutInTheMiddleIsNoticedByAll) {
  const TempDir dir;
  auto expected = train(dir, "late", false);
  for (const std::size_t parts : {1, 2, 3}) {
    auto seen = train(dir, "short" + std::to_string(parts), true, parts);
    for (const int rank : {0, 1}) {
      EXPECT_EQ(seen[rank].retries, 1) << rank;
      for (int i = 0; i < kSteps; ++i)
        EXPECT_NEAR(seen[rank].losses[i], expected[rank].losses[i], 2e-5) << parts;
    }
    EXPECT_EQ(seen[0].checksum, seen[1].checksum);
  }
}

}  // namespace
}  // namespace gpt
