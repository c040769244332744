#include "gpt/device/host_memory.h"

#include <gtest/gtest.h>

namespace gpt {
namespace {

constexpr std::uint64_t kMiB = 1 << 20;

TEST(HostMemory, AFifthOfTheMachineStaysFree) {
  const HostMemory memory = host_memory({{"", 32000 * kMiB, 20000 * kMiB}});
  EXPECT_EQ(memory.plan, 16000 * kMiB);
  EXPECT_FALSE(memory.most);
  EXPECT_EQ(memory.source, "four fifths of what is available");
}

// Beyond a group's limit nothing swaps: the process is killed, and it is more than its tensors.
TEST(HostMemory, AGroupsLimitLeavesRoomForTheProgramItself) {
  const HostMemory memory = host_memory(
      {{"", 32000 * kMiB, 20000 * kMiB}, {"the limit of a group", 800 * kMiB, 628 * kMiB}});
  EXPECT_EQ(memory.plan, 400 * kMiB);
  EXPECT_EQ(memory.most, 500 * kMiB);
  EXPECT_NE(memory.source.find("the limit of a group"), std::string::npos) << memory.source;
  const HostMemory none = host_memory({{"", 32000 * kMiB, 20000 * kMiB}, {"x", 800 * kMiB, kMiB}});
  EXPECT_EQ(none.plan, 0u);
  EXPECT_EQ(none.most, 0u);
}

TEST(HostMemory, ALargerLimitStillEndsWhatIsBeyondIt) {
  const HostMemory memory =
      host_memory({{"", 32000 * kMiB, 1000 * kMiB}, {"x", 4000 * kMiB, 3128 * kMiB}});
  EXPECT_EQ(memory.plan, 800 * kMiB);
  EXPECT_EQ(memory.most, 3000 * kMiB);
  EXPECT_EQ(memory.source, "four fifths of what is available");
}

}  // namespace
}  // namespace gpt
