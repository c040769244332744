#include "gpt/base/splitmix64.h"

#include <gtest/gtest.h>

namespace gpt {
namespace {

// The published generator's first numbers from seed 0: each adds the constant once more.
TEST(SplitMix64, GivesThePublishedNumbers) {
  constexpr std::uint64_t kStep = 0x9E3779B97F4A7C15u;
  EXPECT_EQ(splitmix64(0), 0xE220A8397B1DCDAFu);
  EXPECT_EQ(splitmix64(kStep), 0x6E789E6AA1B965F4u);
  EXPECT_EQ(splitmix64(2 * kStep), 0x06C45D188009454Fu);
}

}  // namespace
}  // namespace gpt
