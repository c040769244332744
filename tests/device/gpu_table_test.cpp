#include "gpt/device/gpu_table.h"

#include <gtest/gtest.h>

namespace gpt {
namespace {

TEST(GpuTable, FindsCardsByTheDriversNameAndAsTyped) {
  for (const GpuFacts& gpu : gpu_table()) {
    ASSERT_TRUE(find_gpu(std::string("NVIDIA GeForce ") + gpu.name)) << gpu.name;
    EXPECT_STREQ(find_gpu(std::string("NVIDIA GeForce ") + gpu.name)->name, gpu.name);
    EXPECT_GT(gpu.gib, 1);
    EXPECT_EQ(table_peak(gpu.name), gpu.tflops * 1e12);
  }
  EXPECT_STREQ(find_gpu("rtx3060")->name, "RTX 3060");
  EXPECT_STREQ(find_gpu("NVIDIA H100 80GB HBM3")->name, "H100");
  EXPECT_STREQ(find_gpu("NVIDIA H100 PCIe")->name, "H100 PCIe");
  EXPECT_EQ(find_gpu("GeForce GTX 1080"), nullptr);
  EXPECT_EQ(find_gpu(""), nullptr);
}

TEST(GpuTable, TablePeaksAreFoundByTheDriversNames) {
  EXPECT_EQ(table_peak("NVIDIA A100-SXM4-80GB"), 312e12);
  EXPECT_EQ(table_peak("NVIDIA H100 PCIe"), 756e12);
  EXPECT_EQ(table_peak("NVIDIA H100 80GB HBM3"), 989e12);
  EXPECT_EQ(table_peak("NVIDIA GeForce RTX 3060"), 25.5e12);
  EXPECT_EQ(table_peak("NVIDIA L40S"), 362e12);
  EXPECT_EQ(table_peak("NVIDIA L4"), 121e12);
  EXPECT_EQ(table_peak("NVIDIA A10G"), 70e12);
  EXPECT_EQ(table_peak("Somebody's GPU"), 0);
}

TEST(GpuTable, HopperIsGivenLargerWorkspaces) {
  constexpr std::int64_t kMebi = std::int64_t{1} << 20;
  for (const auto& [card, mebi] :
       {std::pair{"T4", 8}, {"RTX 3060", 8}, {"RTX 4090", 8}, {"H100", 32}})
    EXPECT_EQ(library_workspace(find_gpu(card)->capability), mebi * kMebi) << card;
}

}  // namespace
}  // namespace gpt
