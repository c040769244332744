#include "gpt/kernels/device.h"

#include <gtest/gtest.h>

#include "support/tensor_near.h"

namespace gpt {
namespace {

TEST(Device, TablePeaksAreFoundByTheDriversNames) {
  EXPECT_EQ(table_peak("NVIDIA A100-SXM4-80GB"), 312e12);
  EXPECT_EQ(table_peak("NVIDIA H100 PCIe"), 756e12);
  EXPECT_EQ(table_peak("NVIDIA H100 80GB HBM3"), 989e12);
  EXPECT_EQ(table_peak("NVIDIA GeForce RTX 3060"), 25.5e12);
  EXPECT_EQ(table_peak("NVIDIA L40S"), 362e12);
  EXPECT_EQ(table_peak("NVIDIA L4"), 121e12);
  EXPECT_EQ(table_peak("NVIDIA A10G"), 70e12);
  EXPECT_EQ(table_peak("Somebody's GPU"), 0);
}

TEST(Device, CpuPeakIsMeasured) {
  const PeakRate peak = peak_rate(c10::Device(c10::kCPU), at::kFloat);
  EXPECT_GT(peak.flops, 1e8);
  EXPECT_EQ(peak.source, "measured product");
}

// On CPUs without bfloat16 too, where oneDNN has no such product.
TEST(Device, CpuPeakIsMeasuredWithEveryTypeAndLibrary) {
  for (const c10::ScalarType type : {at::kFloat, at::kBFloat16})
    EXPECT_GT(measured_peak(c10::Device(c10::kCPU), type).flops, 1e8) << type;
}

TEST(Device, FactsAreThisMachines) {
  const DeviceFacts facts = device_facts();
  EXPECT_GE(facts.cores, 1);
  EXPECT_FALSE(facts.cpu_name.empty());
  EXPECT_EQ(facts.cuda_devices > 0, at::hasCUDA() && facts.built_with_cuda);
}

}  // namespace
}  // namespace gpt
