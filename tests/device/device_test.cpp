#include "gpt/device/device.h"

#include <gtest/gtest.h>

#include "support/tensor_near.h"

namespace gpt {
namespace {

TEST(Device, FactsAreThisMachines) {
  const DeviceFacts facts = device_facts();
  EXPECT_GE(facts.cores, 1);
  EXPECT_FALSE(facts.cpu_name.empty());
  EXPECT_EQ(facts.cuda_devices > 0, at::hasCUDA() && facts.built_with_cuda);
}

}  // namespace
}  // namespace gpt
