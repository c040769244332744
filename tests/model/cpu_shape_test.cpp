#include "gpt/model/cpu_shape.h"

#include <gtest/gtest.h>

namespace gpt {
namespace {

// 4 x 256 tokens in one group.
std::int64_t head_chunk(std::int64_t most) {
  const CpuShape shape{.layers = 1, .heads = 1, .width = 64, .vocab = 50304};
  return cpu_shape(shape, /*together=*/true, 4, 256, most, /*threads=*/2).head_chunk;
}

TEST(CpuShapeTest, ChunksOfTheHeadAreOfOneSize) {
  EXPECT_EQ(head_chunk(333), 256);
  EXPECT_EQ(head_chunk(5000), 1024);
  for (std::int64_t most = 1; most <= 1100; ++most) {
    const std::int64_t chunk = head_chunk(most);
    ASSERT_LE(chunk, most);
    EXPECT_EQ((1024 + chunk - 1) / chunk, (1024 + most - 1) / most) << "as many chunks, " << most;
    EXPECT_LT(chunk * ((1024 + chunk - 1) / chunk) - 1024, (1024 + chunk - 1) / chunk)
        << "none much smaller than others, " << most;
  }
}

TEST(CpuShapeTest, SmallModelsAreSharedOutBySequences) {
  const auto groups = [](std::int64_t sequences, int threads) {
    const bool together = cpu_threads_share(/*parameters=*/800'000, sequences, threads);
    EXPECT_EQ(together, sequences == 1 && threads > 1) << sequences << " " << threads;
    const CpuShape shape{.layers = 1, .heads = 1, .width = 64, .vocab = 65};
    const CpuShape cut = cpu_shape(shape, together, sequences, 64, 512, threads);
    EXPECT_EQ(cut.threads, together ? threads : 1);
    return cut.groups;
  };
  EXPECT_EQ(groups(12, 2), 2);
  EXPECT_EQ(groups(12, 12), 12);
  EXPECT_EQ(groups(12, 16), 12);
  EXPECT_EQ(groups(2, 64), 2);
  EXPECT_EQ(groups(1, 64), 1);
  EXPECT_EQ(groups(1, 1), 1);
  EXPECT_TRUE(cpu_threads_share(/*parameters=*/100'000'000, 12, 2));
  EXPECT_FALSE(cpu_threads_share(/*parameters=*/100'000'000, 12, 1));
}

}  // namespace
}  // namespace gpt
