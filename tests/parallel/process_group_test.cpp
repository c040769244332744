#include "gpt/parallel/process_group.h"

#include <gtest/gtest.h>

#include "support/one_of_many.h"

namespace gpt {
namespace {

TEST(ProcessGroup, PartsAreEvenAndInOrder) {
  for (const int size : {1, 2, 3, 4, 7})
    for (const std::int64_t count : {0, 1, 3, 7, 480}) {
      std::int64_t next = 0;
      for (int rank = 0; rank < size; ++rank) {
        const IndexRange part = testing::OneOfMany(rank, size).partition(count);
        EXPECT_EQ(part.begin, next);
        EXPECT_GE(part.size(), count / size);
        EXPECT_LE(part.size(), (count + size - 1) / size);
        next = part.end;
      }
      EXPECT_EQ(next, count);
    }
}

TEST(ProcessGroup, OneProcessHasAllAndChangesNothing) {
  ProcessGroup& group = single_process();
  EXPECT_TRUE(group.is_first());
  EXPECT_EQ(group.partition(12), (IndexRange{0, 12}));
  const at::Tensor x = at::arange(3, at::kFloat);
  group.sum({x});
  EXPECT_TRUE(at::equal(x, at::arange(3, at::kFloat)));
  EXPECT_TRUE(group.any(true));
  EXPECT_FALSE(group.any(false));
}

}  // namespace
}  // namespace gpt
