#include "gpt/base/strings.h"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

namespace gpt {
namespace {

TEST(Strings, ConcatAndFormat) {
  EXPECT_EQ(concat("a", 1, ' ', 2.5), "a1 2.5");
  EXPECT_EQ(format("%d %s", 7, "x"), "7 x");
  const std::string text(5000, 'y');
  EXPECT_EQ(format("%s!", text.c_str()), text + "!");
}

TEST(Strings, JoinKeepsEmptyParts) {
  EXPECT_EQ(join({}, ", "), "");
  EXPECT_EQ(join({"a"}, ", "), "a");
  EXPECT_EQ(join({"a", "b", "c"}, ", "), "a, b, c");
  EXPECT_EQ(join({"", "b", ""}, ","), ",b,");
}

TEST(Strings, HumanBytes) {
  EXPECT_EQ(human_bytes(0), "0 B");
  EXPECT_EQ(human_bytes(1023), "1023 B");
  EXPECT_EQ(human_bytes(1024), "1.00 KiB");
  EXPECT_EQ(human_bytes(1536), "1.50 KiB");
  EXPECT_EQ(human_bytes(12'552'141'210), "11.69 GiB");
  EXPECT_EQ(human_bytes(std::uint64_t{1} << 60), "1048576.00 TiB");
}

TEST(Strings, HumanSeconds) {
  EXPECT_EQ(human_seconds(12.3), "12s");
  EXPECT_EQ(human_seconds(59.4), "59s");
  EXPECT_EQ(human_seconds(59.6), "1m00s");
  EXPECT_EQ(human_seconds(125), "2m05s");
  EXPECT_EQ(human_seconds(3599.9), "1h00m");
  EXPECT_EQ(human_seconds(3725), "1h02m");
  EXPECT_EQ(human_seconds(360000), "100h00m");
  EXPECT_EQ(human_seconds(-5), "0s");
  EXPECT_EQ(human_seconds(std::numeric_limits<double>::infinity()), "?");
  EXPECT_EQ(human_seconds(std::nan("")), "?");
}

TEST(Strings, WithCommas) {
  EXPECT_EQ(with_commas(0), "0");
  EXPECT_EQ(with_commas(999), "999");
  EXPECT_EQ(with_commas(1000), "1,000");
  EXPECT_EQ(with_commas(124439808), "124,439,808");
  EXPECT_EQ(with_commas(-999), "-999");
  EXPECT_EQ(with_commas(-1000), "-1,000");
  EXPECT_EQ(with_commas(std::numeric_limits<std::int64_t>::min()), "-9,223,372,036,854,775,808");
}

TEST(Strings, NearestWord) {
  const std::vector<std::string> keys = {"learning_rate", "batch_size", "block_size", "beta1"};
  EXPECT_EQ(nearest_word("learning_rte", keys), "learning_rate");
  EXPECT_EQ(nearest_word("batchsize", keys), "batch_size");
  EXPECT_EQ(nearest_word("blcok_size", keys), "block_size");
  EXPECT_EQ(nearest_word("beta1", keys), "beta1");
  EXPECT_EQ(nearest_word("xyzzy", keys), "");
  EXPECT_EQ(nearest_word("", keys), "");
  EXPECT_EQ(nearest_word("word", {}), "");
}

// A swap of neighbours is one edit: with plain Levenshtein these would be three and out of reach.
TEST(Strings, NearestWordCountsASwapOnce) {
  EXPECT_EQ(nearest_word("badcx", {"abcd"}), "");
  EXPECT_EQ(nearest_word("badc", {"abcd"}), "abcd");
  EXPECT_EQ(nearest_word("bac", {"abcd"}), "abcd");
}

}  // namespace
}  // namespace gpt
