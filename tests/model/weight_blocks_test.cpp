#include "../../src/model/weight_blocks.h"

#include <gtest/gtest.h>

namespace gpt {
namespace {

// 24 columns to a panel, K is padded to an even number.
const NativeGemm<float> kGemm{
    .multiply = nullptr,
    .is_faster = nullptr,
    .workspace_bytes = nullptr,
    .packed_bytes = [](int64_t N, int64_t K) { return (N + 23) / 24 * 24 * ((K + 1) / 2 * 2) * 4; },
    .pack_b = nullptr,
    .panel_columns = 24,
};

void cover(std::int64_t columns, std::int64_t inner, std::int64_t bytes) {
  SCOPED_TRACE(std::to_string(columns) + " x " + std::to_string(inner));
  std::int64_t column = 0, depth = 0;
  const WeightBlocks blocks(kGemm, columns, inner, bytes);
  for (std::int64_t index = 0; index < blocks.count(); ++index) {
    const WeightBlock block = blocks.at(index);
    EXPECT_LE(kGemm.packed_bytes(block.columns, block.depths), bytes);
    EXPECT_GT(block.columns, 0);
    EXPECT_GT(block.depths, 0);
    if (block.columns == columns) {
      EXPECT_EQ(block.column, 0);
      EXPECT_EQ(block.depth, depth);
      depth += block.depths;
      column = columns;
    } else {
      EXPECT_EQ(block.depths, inner);
      EXPECT_EQ(block.depth, 0);
      EXPECT_EQ(block.column, column);
      EXPECT_EQ(column % kGemm.panel_columns, 0);
      column += block.columns;
      depth = inner;
    }
  }
  EXPECT_EQ(column, columns);
  EXPECT_EQ(depth, inner);
}

TEST(WeightBlocks, CoverAFactorOnce) {
  constexpr std::int64_t kBytes = 3072 * 768 * 4;
  for (const std::int64_t vocab : {3000, 3072, 3073, 50257, 50304, 100001}) {
    cover(vocab, 768, kBytes);
    cover(768, vocab, kBytes);
  }
  cover(1, 1, kBytes);
}

TEST(WeightBlocks, AreOneWhereItFits) {
  const WeightBlocks blocks(kGemm, 3072, 768, 3072 * 768 * 4);
  ASSERT_EQ(blocks.count(), 1);
  EXPECT_EQ(blocks.at(0).columns, 3072);
  EXPECT_EQ(blocks.at(0).depths, 768);
}

}  // namespace
}  // namespace gpt
