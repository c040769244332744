// A run that is one of two processes: what the two compute adds up to what one computes.
#include <utility>

#include <gtest/gtest.h>

#include "support/one_of_many.h"
#include "support/tensor_near.h"
#include "support/tiny_run.h"

namespace gpt {
namespace {

using testing::near;
using testing::OneOfMany;
using testing::TempDir;
using testing::tiny_config;
using testing::TinyRun;

using Sums = std::vector<at::Tensor>;

// The second of two: its contributions are kept.
class Second : public OneOfMany {
 public:
  Second() : OneOfMany(1, 2) {}
  void sum(const std::vector<at::Tensor>& tensors) override {
    for (const at::Tensor& tensor : tensors) sums.push_back(tensor.clone());
  }
  Sums sums;
};

// The first, which is given the other's contributions in the same order.
class First : public OneOfMany {
 public:
  explicit First(Sums sums) : OneOfMany(0, 2), sums_(std::move(sums)) {}
  void sum(const std::vector<at::Tensor>& tensors) override {
    for (const at::Tensor& tensor : tensors) tensor.add_(sums_.at(next_++));
  }
  bool all_used() const { return next_ == sums_.size(); }

 private:
  Sums sums_;
  std::size_t next_ = 0;
};

class TwoProcesses : public ::testing::TestWithParam<bool> {  // compile
 protected:
  // Nine sequences in a step, which two processes cannot share evenly.
  TrainConfig config(const char* out) const {
    TrainConfig config = tiny_config(dir_);
    config.system.compile = GetParam();
    config.io.out_dir = (dir_ / out).string();
    config.io.eval_iters = 2;
    config.data.batch_size = config.data.gradient_accumulation_steps = 3;
    config.data.micro_batch_size.value = 2;
    config.model.dropout = 0.2;
    return config;
  }

  TempDir dir_;
};

TEST_P(TwoProcesses, AStepAddsUp) {
  TinyRun one(config("one"));
  Second second_group;
  TinyRun second(config("second"), {}, {at::kCPU, at::kFloat}, second_group);
  second.trainer.step();
  First first_group(second_group.sums);
  TinyRun first(config("first"), {}, {at::kCPU, at::kFloat}, first_group);
  EXPECT_EQ(first.batches.own_sequences().size() + second.batches.own_sequences().size(), 9);

  const StepResult expected = one.trainer.step();
  const StepResult actual = first.trainer.step();
  EXPECT_TRUE(first_group.all_used());
  EXPECT_NEAR(actual.mean_loss, expected.mean_loss, 1e-6);
  EXPECT_NEAR(actual.last_loss, expected.last_loss, 1e-6);
  EXPECT_NEAR(actual.gradient_norm, expected.gradient_norm, 1e-5 * expected.gradient_norm);
  for (std::size_t i = 0; i < one.model.parameters().size(); ++i)
    EXPECT_TRUE(near(first.model.parameters()[i].tensor.grad(),
                     one.model.parameters()[i].tensor.grad(), 1e-6))
        << one.model.parameters()[i].name;
}

TEST_P(TwoProcesses, AnEvaluationAddsUp) {
  const auto losses = [](TinyRun& run, ProcessGroup& group) {
    return *estimate_loss(*run.engine, run.batches, group, run.config.io.eval_iters,
                          [](std::int64_t, std::int64_t) { return true; });
  };
  TinyRun one(config("one"));
  const SplitLosses expected = losses(one, single_process());
  Second second_group;
  TinyRun second(config("second"), {}, {at::kCPU, at::kFloat}, second_group);
  losses(second, second_group);
  First first_group(second_group.sums);
  TinyRun first(config("first"), {}, {at::kCPU, at::kFloat}, first_group);
  const SplitLosses actual = losses(first, first_group);
  EXPECT_TRUE(first_group.all_used());
  EXPECT_NEAR(actual.train, expected.train, 1e-6);
  EXPECT_NEAR(actual.val, expected.val, 1e-6);
}

INSTANTIATE_TEST_SUITE_P(Engines, TwoProcesses, ::testing::Bool(),
                         [](const auto& engine) { return engine.param ? "Fused" : "Eager"; });

}  // namespace
}  // namespace gpt
