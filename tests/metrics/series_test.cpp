#include "gpt/metrics/series.h"

#include <gtest/gtest.h>

namespace gpt {
namespace {

TEST(Series, FewPointsAreAllThere) {
  Series series(10);
  for (int i = 0; i < 10; ++i) series.add({i, 0, 2.0 * i});
  EXPECT_TRUE(series.exact());
  ASSERT_EQ(series.buckets().size(), 10u);
  for (std::size_t i = 0; i < 10; ++i) EXPECT_EQ(series.buckets()[i].low.value, 2.0 * i);
}

// Every point of a long series is within the bucket that stands for it, and a spike is an end of
// its.
TEST(Series, ManyPointsKeepTheirSpikesAndMeans) {
  for (const std::size_t most : {2u, 3u, 7u, 100u}) {
    Series series(most);
    constexpr int kPoints = 12345, kUp = 7001, kDown = 7002;
    double sum = 0;
    for (int i = 0; i < kPoints; ++i) {
      const double value = i == kUp ? 1000.0 : i == kDown ? -1000.0 : i % 5;
      sum += value;
      series.add({i, i / 10.0, value});
    }
    EXPECT_FALSE(series.exact());
    EXPECT_LE(series.buckets().size(), most);
    double kept = 0;
    std::int64_t count = 0, last = -1;
    bool up = false, down = false;
    for (const Series::Bucket& bucket : series.buckets()) {
      kept += bucket.sum;
      count += bucket.count;
      up = up || bucket.high.iter == kUp;
      down = down || bucket.low.iter == kDown;
      EXPECT_GT(std::min(bucket.low.iter, bucket.high.iter), last);
      last = std::max(bucket.low.iter, bucket.high.iter);
    }
    EXPECT_TRUE(up && down) << most;
    EXPECT_EQ(count, kPoints);
    EXPECT_NEAR(kept, sum, 1e-6);
    EXPECT_EQ(series.last().iter, kPoints - 1);
    EXPECT_EQ(series.lowest(), -1000);
  }
}

}  // namespace
}  // namespace gpt
