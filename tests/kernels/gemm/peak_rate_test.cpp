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

TEST(PeakRate, IsRaisedByARunThatBeatsIt) {
  const PeakRate peak{100, "measured product"};
  EXPECT_EQ(raised(peak, 99).flops, 100);
  EXPECT_EQ(raised(peak, 99).source, "measured product");
  EXPECT_EQ(raised(peak, 105).flops, 105);
  EXPECT_EQ(raised(peak, 105).source, "this run, above a measured product");
}

}  // namespace
}  // namespace gpt
