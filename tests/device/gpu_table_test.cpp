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
  for (const char* unknown : {"", "Radeon RX 7900", "RTX", "9999", "A100000", "M1", "GeForce"})
    EXPECT_EQ(find_gpu(unknown), nullptr) << unknown;
}

TEST(GpuTable, FindsWhatPeopleType) {
  const std::pair<const char*, const char*> kCases[] = {
      {"3060", "RTX 3060"},
      {"rtx-3060 ti", "RTX 3060 Ti"},
      {"RTX3060Ti", "RTX 3060 Ti"},
      {"1080ti", "GTX 1080 Ti"},
      {"GeForce GTX 1080", "GTX 1080"},
      {"gtx1650 super", "GTX 1650 Super"},
      {"GTX 1660 SUPER", "GTX 1660 Super"},
      {"2080 super", "RTX 2080 Super"},
      {"rtx 5070ti", "RTX 5070 Ti"},
      {"RTX 4070 Ti SUPER", "RTX 4070 Ti Super"},
      {"NVIDIA GeForce RTX 4070 Laptop GPU", "RTX 4070 Laptop"},
      {"NVIDIA GeForce RTX 4060 Laptop GPU", "RTX 4060"},
      {"titan xp", "Titan Xp"},
      {"NVIDIA TITAN RTX", "Titan RTX"},
      {"quadro p4000", "Quadro P4000"},
      {"p4", "P4"},
      {"Tesla P40", "P40"},
      {"tesla v100-sxm2-16gb", "V100"},
      {"Quadro RTX 6000", "Quadro RTX 6000"},
      {"NVIDIA RTX 6000 Ada Generation", "RTX 6000 Ada"},
      {"RTX A6000", "RTX A6000"},
      {"a4000", "RTX A4000"},
      {"A40", "A40"},
      {"NVIDIA A10-24Q", "A10"},
      {"A10G", "A10G"},
      {"NVIDIA RTX PRO 6000 Blackwell Server Edition", "RTX PRO 6000"},
      {"k80", "K80"}};
  for (const auto& [typed, name] : kCases) {
    ASSERT_TRUE(find_gpu(typed)) << typed;
    EXPECT_STREQ(find_gpu(typed)->name, name) << typed;
  }
  EXPECT_TRUE(find_gpu("gtx1080")->too_old());
  EXPECT_TRUE(find_gpu("v100")->too_old());
  EXPECT_FALSE(find_gpu("gtx1650")->too_old());
  EXPECT_FALSE(find_gpu("t4")->too_old());
}

TEST(GpuTable, SizesStandForCardsOrGoWithThem) {
  EXPECT_EQ(asked_gpu("4GiB")->gib, 4);
  EXPECT_EQ(asked_gpu("6 gb")->gib, 6);
  EXPECT_EQ(asked_gpu("512MiB")->gib, 0.5);
  EXPECT_STREQ(asked_gpu("rtx 3060 8GB")->name, "RTX 3060");
  EXPECT_NEAR(asked_gpu("rtx 3060 8GB")->gib, 7.8, 0.01);
  EXPECT_NEAR(asked_gpu("NVIDIA A100-SXM4-40GB")->gib, 39, 0.01);
  EXPECT_NEAR(asked_gpu("gtx1060 3g")->gib, 2.925, 0.001);
  EXPECT_EQ(asked_gpu("rtx3060")->gib, 11.69);
  EXPECT_EQ(asked_gpu("A10G")->gib, 22);
  for (const char* unknown : {"0GiB", "99999GB", "GiB", "4TiB", "radeon 8GB"})
    EXPECT_FALSE(asked_gpu(unknown)) << unknown;
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
