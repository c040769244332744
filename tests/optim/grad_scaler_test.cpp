#include "gpt/optim/grad_scaler.h"

#include <gtest/gtest.h>

#include "support/tensor_near.h"

namespace gpt {
namespace {

TEST(GradScaler, HalvesAtOverflowAndDoublesAfter2000GoodSteps) {
  GradScaler scaler(true);
  EXPECT_EQ(scaler.scale(), 65536);
  scaler.update(true);
  EXPECT_EQ(scaler.scale(), 32768);
  for (int i = 0; i < 1999; ++i) scaler.update(false);
  EXPECT_EQ(scaler.scale(), 32768);
  scaler.update(false);
  EXPECT_EQ(scaler.scale(), 65536);
  for (int i = 0; i < 1999; ++i) scaler.update(false);
  scaler.update(true);  // the count starts again
  for (int i = 0; i < 1999; ++i) scaler.update(false);
  EXPECT_EQ(scaler.scale(), 32768);
}

// The same sequence through PyTorch's own update rule.
TEST(GradScaler, AgreesWithTheOperator) {
  GradScaler scaler(true);
  at::Tensor scale = at::full({}, 65536.0f), tracker = at::zeros({}, at::kInt);
  for (int i = 0; i < 9000; ++i) {
    const bool bad = i % 2500 == 17 || i < 3;
    scaler.update(bad);
    at::_amp_update_scale_(scale, tracker, at::full({}, bad ? 1.0f : 0.0f), 2.0, 0.5, 2000);
    ASSERT_EQ(scaler.scale(), scale.item<double>()) << i;
    ASSERT_EQ(scaler.state().good_steps, tracker.item<std::int64_t>()) << i;
  }
}

TEST(GradScaler, DisabledDoesNothing) {
  GradScaler scaler(false);
  scaler.update(true);
  scaler.restore({.scale = 8, .good_steps = 3});
  EXPECT_EQ(scaler.scale(), 1);
}

TEST(GradScaler, StateRoundTrips) {
  GradScaler first(true), second(true);
  for (int i = 0; i < 5; ++i) first.update(i == 1);
  second.restore(first.state());
  EXPECT_EQ(second.scale(), first.scale());
  EXPECT_EQ(second.state().good_steps, 3);
}

}  // namespace
}  // namespace gpt
