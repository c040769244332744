#include "gpt/train/save_retry.h"

#include <gtest/gtest.h>

namespace gpt {
namespace {

TEST(SaveRetry, WaitsLongerEachTimeButNeverLong) {
  double now = 100;
  SaveRetry retry([&] { return now; });
  EXPECT_FALSE(retry.due(5));
  retry.begin();
  retry.failed(5);
  EXPECT_FALSE(retry.due(5));
  EXPECT_TRUE(retry.due(6));  // at once
  for (const double pause : {1, 2, 4, 8, 16, 32, 64, 64, 64}) {
    retry.begin();
    retry.failed(6);
    now += pause - 0.01;
    EXPECT_FALSE(retry.due(100)) << pause;
    now += 0.02;
    EXPECT_TRUE(retry.due(100)) << pause;
  }
  EXPECT_EQ(retry.failures(), 10);
  retry.succeeded();
  EXPECT_FALSE(retry.due(1000));
  retry.begin();
  retry.failed(7);
  EXPECT_TRUE(retry.due(8));  // it starts over
}

TEST(SaveRetry, ASlowFailureIsRareHowOftenItHappens) {
  double now = 0;
  SaveRetry retry([&] { return now; });
  for (int i = 0; i < 12; ++i) {
    retry.begin();
    now += 30;
    retry.failed(1);
  }
  now += 599;
  EXPECT_FALSE(retry.due(2));
  now += 2;
  EXPECT_TRUE(retry.due(2));
}

}  // namespace
}  // namespace gpt
