#include "gpt/kernels/gemm/peak_rate.h"

#include <gtest/gtest.h>

namespace gpt {
namespace {

TEST(PeakRate, CpuPeakIsMeasured) {
  const PeakRate peak = peak_rate(c10::Device(c10::kCPU), at::kFloat);
  EXPECT_GT(peak.flops, 1e8);
  EXPECT_EQ(peak.source, "measured product");
}

// On CPUs without bfloat16 too, where oneDNN has no such product.
TEST(PeakRate, CpuPeakIsMeasuredWithEveryTypeAndLibrary) {
  for (const c10::ScalarType type : {at::kFloat, at::kBFloat16})
    EXPECT_GT(measured_peak(c10::Device(c10::kCPU), type).flops, 1e8) << type;
}

}  // namespace
}  // namespace gpt
