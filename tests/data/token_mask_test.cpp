#include "gpt/data/token_mask.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "gpt/base/error.h"
#include "gpt/data/prefetcher.h"

#include "support/error_text.h"
#include "support/temp_dir.h"

namespace gpt {
namespace {

using testing::error_text;
using testing::TempDir;

class Mask : public ::testing::Test {
 protected:
  TokenFile open(const std::vector<fs::path>& shards) const {
    TokenFile file(shards, 2, 100);
    file.open_masks();
    return file;
  }

  const TempDir dir_;
};

TEST_F(Mask, LiesBesideItsShardAndTheOthersCountWhole) {
  const auto first = dir_.write_tokens("a.bin", {1, 2, 3, 4}),
             second = dir_.write_tokens("b.bin", {5, 6, 7});
  dir_.write("a.mask", std::string("\0\1\0\1", 4));
  const TokenFile file = open({first, second});
  EXPECT_TRUE(file.has_masks());
  bool counted[5];
  file.copy_mask(2, 5, counted);
  EXPECT_EQ(std::vector<bool>(counted, counted + 5), (std::vector<bool>{0, 1, 1, 1, 1}));
  EXPECT_EQ(file.counted(0, 7), 5);
  EXPECT_EQ(file.counted(0, 3), 1);
  EXPECT_FALSE(open({second}).has_masks());
  EXPECT_THROW(file.copy_mask(5, 3, counted), Error);
}

TEST_F(Mask, ThatIsNoneIsRefused) {
  const auto path = dir_.write_tokens("a.bin", {1, 2, 3, 4});
  const auto problem = [&](const std::string& bytes) {
    dir_.write("a.mask", bytes);
    return error_text<InputError>([&] { open({path}); });
  };
  EXPECT_NE(problem("\1\1\1").find("has 3 bytes, but its token file 4 tokens"), std::string::npos);
  EXPECT_NE(problem("\1\1\1\2").find("byte 3 is 2, expected 0 or 1"), std::string::npos);
  EXPECT_NE(problem("").find("--loss_mask=off"), std::string::npos);
}

TEST_F(Mask, MarksTheTargetsOfABatchAndNotItsInputs) {
  const auto path = dir_.write_tokens("a.bin", {1, 2, 3, 4, 5});
  const TokenFile plain({path}, 2, 100);
  const at::Tensor offsets = at::tensor({0, 2}, at::kLong);
  EXPECT_FALSE(make_batch(plain, offsets, 0, 2, at::kCPU).counted_BT.defined());
  dir_.write("a.mask", std::string("\1\0\1\0\1", 5));
  const TokenFile file = open({path});
  const Batch batch = make_batch(file, offsets, 0, 2, at::kCPU);
  EXPECT_TRUE(at::equal(batch.y_BT, at::tensor({2, 3, 4, 5}, at::kLong).view({2, 2})));
  EXPECT_TRUE(
      at::equal(batch.training_targets(), at::tensor({-1, 3, -1, 5}, at::kLong).view({2, 2})));
}

}  // namespace
}  // namespace gpt
