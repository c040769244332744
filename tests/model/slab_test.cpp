#include "../../src/model/slab.h"

#include <gtest/gtest.h>

namespace gpt {
namespace {

// 24 columns to a panel, inner indices padded to even ones.
const PackedProducts<float> kProducts{
    .multiply = nullptr,
    .pays = nullptr,
    .workspace_bytes = nullptr,
    .packed_bytes =
        [](int64_t columns, int64_t inner) {
          return (columns + 23) / 24 * 24 * ((inner + 1) / 2 * 2) * 4;
        },
    .pack_b = nullptr,
    .panel_columns = 24,
};

void cover(std::int64_t columns, std::int64_t inner, std::int64_t bytes) {
  SCOPED_TRACE(std::to_string(columns) + " x " + std::to_string(inner));
  std::int64_t column = 0, depth = 0;
  const Slabs slabs(kProducts, columns, inner, bytes);
  for (std::int64_t index = 0; index < slabs.count(); ++index) {
    const Slab slab = slabs.at(index);
    EXPECT_LE(kProducts.packed_bytes(slab.columns, slab.depths), bytes);
    EXPECT_GT(slab.columns, 0);
    EXPECT_GT(slab.depths, 0);
    if (slab.columns == columns) {
      EXPECT_EQ(slab.column, 0);
      EXPECT_EQ(slab.depth, depth);
      depth += slab.depths;
      column = columns;
    } else {
      EXPECT_EQ(slab.depths, inner);
      EXPECT_EQ(slab.depth, 0);
      EXPECT_EQ(slab.column, column);
      EXPECT_EQ(column % kProducts.panel_columns, 0);
      column += slab.columns;
      depth = inner;
    }
  }
  EXPECT_EQ(column, columns);
  EXPECT_EQ(depth, inner);
}

TEST(Slabs, CoverAFactorOnce) {
  constexpr std::int64_t kBytes = 3072 * 768 * 4;
  for (const std::int64_t vocab : {3000, 3072, 3073, 50257, 50304, 100001}) {
    cover(vocab, 768, kBytes);
    cover(768, vocab, kBytes);
  }
  cover(1, 1, kBytes);
}

TEST(Slabs, AreOneWhereItFits) {
  const Slabs slabs(kProducts, 3072, 768, 3072 * 768 * 4);
  ASSERT_EQ(slabs.count(), 1);
  EXPECT_EQ(slabs.at(0).columns, 3072);
  EXPECT_EQ(slabs.at(0).depths, 768);
}

}  // namespace
}  // namespace gpt
