// A GPU for a test, or the reason why there is none.
#pragma once

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "gpt/device/device.h"

#include "support/tensor_near.h"

namespace gpt::testing {

// Skips where no GPU is usable, so that these tests may run everywhere.
class Gpu : public ::testing::Test {
 protected:
  void SetUp() override {
    if (device_facts().cuda_devices == 0)
      GTEST_SKIP() << "no GPU is usable here: no driver, or no device visible to it";
  }

  const c10::Device cpu_{c10::kCPU};
  const c10::Device cuda_{c10::kCUDA, 0};
};

// Largest difference in units of the larger tensor's largest element, on the CPU in float64.
inline double relative_distance(const at::Tensor& actual, const at::Tensor& expected) {
  const at::Tensor a = actual.detach().to(at::kCPU, at::kDouble);
  const at::Tensor e = expected.detach().to(at::kCPU, at::kDouble);
  const double size = e.numel() == 0 ? 0 : e.abs().max().item<double>();
  return distance(a, e) / (size > 0 ? size : 1);
}

}  // namespace gpt::testing
