#include "gpt/device/nvml.h"

#include <optional>
#include <unistd.h>

#include <gtest/gtest.h>

#include "gpt/device/device.h"
#include "gpt/device/library_versions.h"
#include "gpt/device/watch.h"

#include "support/environment.h"

namespace gpt {
namespace {

constexpr const char* kBus = "00000000:01:00.0";
constexpr std::uint64_t kMiB = 1 << 20;

class NvmlTest : public ::testing::Test {
 protected:
  std::unique_ptr<Nvml> fake(const char* behaviour = "", std::string* why = nullptr) {
    behaviour_.emplace("FAKE_NVML", behaviour);
    return Nvml::load(GPT_FAKE_NVML, why);
  }
  std::optional<testing::Environment> behaviour_;
  unsigned own_ = static_cast<unsigned>(getpid());
};

TEST_F(NvmlTest, ReadsTheDriverAndACard) {
  const auto nvml = fake();
  ASSERT_TRUE(nvml);
  EXPECT_EQ(nvml->driver_version(), "580.95.05");
  EXPECT_EQ(nvml->cuda_version(), 13000);
  ASSERT_EQ(nvml->cards(), 1);
  const auto card = nvml->card(0);
  ASSERT_TRUE(card);
  EXPECT_EQ(card->name, "NVIDIA GeForce RTX 3060");
  EXPECT_EQ(card->major, 8);
  EXPECT_EQ(card->minor, 6);
  EXPECT_EQ(card->total, 12288 * kMiB);
  EXPECT_EQ(card->used, 2560 * kMiB);
  EXPECT_EQ(card->reserved, 318 * kMiB);
  EXPECT_EQ(card->free, card->total - card->used - card->reserved);
  ASSERT_EQ(card->processes.size(), 3u);  // not four: pid 1 both computes and draws
  EXPECT_EQ(card->processes[0].pid, own_);
  EXPECT_FALSE(card->processes[0].name.empty());
  EXPECT_EQ(card->processes[2].name, "");
  EXPECT_TRUE(card->drives_display);
  EXPECT_FALSE(fake("alone")->card(0)->drives_display);
  EXPECT_FALSE(nvml->card(1));
  EXPECT_FALSE(nvml->card("00000000:02:00.0"));
}

TEST_F(NvmlTest, SaysWhyItIsNotThere) {
  std::string why;
  EXPECT_FALSE(Nvml::load("libnvidia-ml-of-nobody.so.1", &why));
  EXPECT_EQ(why, "libnvidia-ml-of-nobody.so.1 is not there");
  EXPECT_FALSE(Nvml::load("libm.so.6", &why));
  EXPECT_NE(why.find("lacks functions"), std::string::npos) << why;
  EXPECT_FALSE(fake("no_driver", &why));
  EXPECT_NE(why.find("the driver is not loaded"), std::string::npos) << why;
  EXPECT_FALSE(fake("mismatch", &why));
  EXPECT_NE(why.find("restart the machine"), std::string::npos) << why;
}

TEST_F(NvmlTest, TellsOwnMemoryFromThatOfOthers) {
  EXPECT_EQ(fake()->card(0)->others(own_, /*running=*/true), 512 * kMiB);
  EXPECT_EQ(fake("alone")->card(0)->others(own_, /*running=*/false), 0u);
  // Our memory is listed under a pid that we do not know: no figure is better than a wrong one.
  EXPECT_FALSE(fake("hidden")->card(0)->others(own_, /*running=*/true));
  EXPECT_FALSE(fake("silent")->card(0)->others(own_, /*running=*/false));
}

TEST_F(NvmlTest, WatchesACard) {
  DeviceWatch watch(fake(), kBus);
  const auto reading = watch.read();
  ASSERT_TRUE(reading);
  EXPECT_EQ(reading->total, reading->used + reading->reserved + reading->free);
  EXPECT_EQ(reading->used, 2560 * kMiB);
  EXPECT_EQ(reading->reserved, 318 * kMiB);
  EXPECT_EQ(reading->own, 2048 * kMiB);
  EXPECT_EQ(reading->others, 512 * kMiB);
  DeviceWatch blind(Nvml::load("libnvidia-ml-of-nobody.so.1"), kBus);
  EXPECT_FALSE(blind.read());
}

TEST_F(NvmlTest, WatchesTheMachine) {
  DeviceWatch watch(c10::kCPU, "libnvidia-ml-of-nobody.so.1");
  const auto reading = watch.read();
  ASSERT_TRUE(reading);
  EXPECT_GT(reading->free, 0u);
  EXPECT_EQ(reading->used + reading->free, reading->total);
  EXPECT_GT(reading->own.value(), 10 * kMiB);  // LibTorch alone is more
  EXPECT_LT(reading->own.value(), reading->total);
  EXPECT_FALSE(reading->others);
}

TEST_F(NvmlTest, NamesWhoHoldsTheCard) {
  const std::string text = other_holders(*fake()->card(0), own_);
  EXPECT_EQ(text.find("2 other process(es) hold 512.00 MiB of the NVIDIA GeForce RTX 3060 (1"), 0u)
      << text;
  EXPECT_NE(text.find("4190000 128.00 MiB)"), std::string::npos) << text;
  EXPECT_EQ(other_holders(*fake("alone")->card(0), own_), "");
  EXPECT_EQ(other_holders(c10::kCPU), "");
}

TEST(LibraryVersions, AreThoseOfThePinnedWheel) {
  const LibraryVersions versions = library_versions();
  EXPECT_EQ(versions.libtorch.find("2.11.0"), 0u) << versions.libtorch;
  EXPECT_FALSE(versions.cpu_capability.empty());
  EXPECT_EQ(cuda_version_text(12080), "12.8");
  if (!device_facts().built_with_cuda) {  // only the runtime, which LibTorch's CPU library loads
    EXPECT_EQ(versions.cudnn + versions.cublas + versions.nccl + versions.nccl_compiled, "");
    return;
  }
  EXPECT_EQ(versions.cuda.find("13."), 0u) << versions.cuda;
  EXPECT_EQ(versions.cudnn.find("9."), 0u) << versions.cudnn;
  EXPECT_EQ(versions.cublas.find("13."), 0u) << versions.cublas;
  EXPECT_EQ(versions.nccl.find("2."), 0u) << versions.nccl;
  EXPECT_EQ(versions.nccl_compiled, versions.nccl);
}

}  // namespace
}  // namespace gpt
