// A card that is here is never silently left alone: each thing that can keep the program off it.
#include "gpt/device/gpu_presence.h"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "support/environment.h"
#include "support/system_folder.h"

namespace gpt {
namespace {

using testing::Environment;
using testing::SystemFolder;

constexpr const char* kNoLibrary = "libnvidia-ml-of-nobody.so.1";

void add_to_bus(const SystemFolder& system, const std::string& slot, const std::string& vendor,
                const std::string& kind, const std::string& driver = "") {
  const std::string folder = "sys/bus/pci/devices/" + slot;
  system.write(folder + "/vendor", vendor + "\n");
  system.write(folder + "/class", kind + "\n");
  if (!driver.empty())
    std::filesystem::create_symlink("../../../bus/pci/drivers/" + driver,
                                    system / (folder + "/driver"));
}

void add_card(const SystemFolder& system, const std::string& driver = "") {
  add_to_bus(system, "0000:01:00.0", "0x10de", "0x030000", driver);
}

DeviceFacts build(bool cuda, int usable = 0, int capability = 0) {
  DeviceFacts facts;
  facts.built_with_cuda = cuda;
  facts.cuda_devices = usable;
  facts.cuda_capability = capability;
  facts.cuda_name = "Tesla V100";
  return facts;
}

// A machine that has a card and a driver that runs CUDA 13.
GpuPresence driven() {
  GpuPresence gpu;
  gpu.on_bus = 1;
  gpu.driver = gpu.module_version = "580.95.05";
  gpu.driver_cuda = 13000;
  gpu.has_nodes = true;
  GpuCard& card = gpu.cards.emplace_back();
  card.name = "RTX 3060";
  card.major = 8, card.minor = 6;
  return gpu;
}

void expect_parts(const std::string& text, const std::vector<std::string>& parts) {
  for (const std::string& part : parts)
    EXPECT_NE(text.find(part), std::string::npos) << part << "\nin: " << text;
}

TEST(GpuPresence, CardsAreFoundOnTheBusWithoutADriver) {
  const SystemFolder system;
  EXPECT_FALSE(gpu_presence(system.root, kNoLibrary).any());
  add_to_bus(system, "0000:00:02.0", "0x8086", "0x030000");              // Intel's graphics
  add_to_bus(system, "0000:01:00.1", "0x10de", "0x040300");              // a card's sound
  add_to_bus(system, "0000:09:00.0", "0x10de", "0x030200", "vfio-pci");  // a virtual machine's
  EXPECT_FALSE(gpu_presence(system.root, kNoLibrary).any());
  add_to_bus(system, "0000:02:00.0", "0x10de", "0x030200", "nouveau");  // 3D controller
  const GpuPresence gpu = gpu_presence(system.root, kNoLibrary);
  EXPECT_EQ(gpu.on_bus, 1);
  EXPECT_EQ(gpu.bus_driver, "nouveau");
  EXPECT_EQ(gpu.no_driver, std::string(kNoLibrary) + " is not there");
}

TEST(GpuPresence, NoCardIsNoFault) {
  const SystemFolder system;
  const GpuPresence gpu = gpu_presence(system.root, kNoLibrary);
  for (const bool cuda : {false, true}) {
    EXPECT_EQ(why_gpu_is_unusable(gpu, build(cuda)), "");
    const auto findings = gpu_findings(gpu, build(cuda));
    ASSERT_EQ(findings.size(), 1u);
    EXPECT_EQ(findings[0].level, Finding::kNote);
  }
}

TEST(GpuPresence, AUsableCardIsNoFault) {
  EXPECT_EQ(why_gpu_is_unusable(driven(), build(true, 1, 86)), "");
  EXPECT_TRUE(gpu_findings(driven(), build(true, 1, 86)).empty());
}

TEST(GpuPresence, WithoutADriver) {
  SystemFolder system;
  add_card(system);
  expect_parts(why_gpu_is_unusable(gpu_presence(system.root, kNoLibrary), build(true)),
               {"an NVIDIA card is here, but no driver that answers", "is not there",
                "install NVIDIA's driver, 580 or later"});
  const SystemFolder nouveau;
  add_card(nouveau, "nouveau");
  expect_parts(why_gpu_is_unusable(gpu_presence(nouveau.root, kNoLibrary), build(true)),
               {"the kernel's nouveau drives it", "install NVIDIA's driver"});
}

TEST(GpuPresence, WithADriverInTheKernelAlone) {
  SystemFolder system;
  add_card(system, "nvidia");
  system.write("sys/module/nvidia/version", "580.95.05\n");
  expect_parts(why_gpu_is_unusable(gpu_presence(system.root, kNoLibrary), build(true)),
               {"driver 580.95.05 runs in the kernel", "libnvidia-compute-580"});
  system.write("sys/module/nvidia/version", "535.10\n");
  expect_parts(why_gpu_is_unusable(gpu_presence(system.root, kNoLibrary), build(true)),
               {"its driver is 535.10, and CUDA 13 needs 580", "update NVIDIA's driver"});
}

TEST(GpuPresence, WithADriverThatIsTooOld) {
  GpuPresence gpu = driven();
  gpu.driver = "535.183.01", gpu.driver_cuda = 12020;
  expect_parts(why_gpu_is_unusable(gpu, build(true)),
               {"driver 535.183.01 runs CUDA up to 12.2, this program needs 13.0",
                "to 580 or later", "restart the machine"});
  gpu.wsl = gpu.wsl_card = true;
  expect_parts(why_gpu_is_unusable(gpu, build(true)), {"in Windows", "`wsl --shutdown`"});
}

TEST(GpuPresence, WithABuildForTheCpu) {
  expect_parts(why_gpu_is_unusable(driven(), build(false)),
               {"this build is for the CPU only", "`GPTTRAIN_CUDA=ON scripts/quickstart`"});
  SystemFolder system;  // and no driver: both are to be mended
  add_card(system);
  expect_parts(why_gpu_is_unusable(gpu_presence(system.root, kNoLibrary), build(false)),
               {"this build is for the CPU only", "no driver that answers",
                "`GPTTRAIN_CUDA=ON scripts/quickstart`", "then install NVIDIA's driver"});
}

TEST(GpuPresence, WithACardThatIsTooOld) {
  expect_parts(
      why_gpu_is_unusable({}, build(true, 1, 70)),
      {"the Tesla V100 has compute capability 7.0, and CUDA 13 begins at 7.5", "--device=cpu"});
  EXPECT_EQ(why_gpu_is_unusable({}, build(true, 1, 75)), "");
  // Neither a build nor a driver would make it of use.
  GpuPresence gpu = driven();
  gpu.cards[0].major = 6, gpu.cards[0].minor = 1;
  gpu.driver_cuda = 12020;
  const std::string why = why_gpu_is_unusable(gpu, build(false));
  expect_parts(why, {"the RTX 3060 has compute capability 6.1"});
  EXPECT_EQ(why.find("quickstart"), std::string::npos) << why;
}

// As nobody: root may open everything.
TEST(GpuPresence, WithDeviceFilesThatMayNotBeOpened) {
  SystemFolder system;
  add_card(system, "nvidia");
  system.write("dev/nvidia0", "");
  system.write("dev/nvidiactl", "");
  system.write("dev/nvidia-modeset", "");  // nothing that CUDA opens
  EXPECT_TRUE(gpu_presence(system.root, kNoLibrary).refused.empty());
  constexpr uid_t kNobody = 65534;
  ASSERT_EQ(chmod(system.root.folder.c_str(), 0755), 0);
  for (const char* node : {"dev/nvidia0", "dev/nvidia-modeset"})
    ASSERT_EQ(chmod((system / node).c_str(), 0), 0);
  ASSERT_EQ(chmod((system / "dev/nvidiactl").c_str(), 0666), 0);
  if (geteuid() == 0) {
    ASSERT_EQ(chown((system / "dev/nvidia0").c_str(), 0, 1), 0);
  }
  int said[2];
  ASSERT_EQ(pipe(said), 0);
  const pid_t child = fork();
  if (child == 0) {
    if (geteuid() == 0 && setresuid(kNobody, kNobody, kNobody) != 0) _exit(2);
    const std::string why = why_gpu_is_unusable(gpu_presence(system.root, kNoLibrary), build(true));
    _exit(write(said[1], why.data(), why.size()) < 0);
  }
  close(said[1]);
  std::string why(4096, ' ');
  why.resize(static_cast<std::size_t>(std::max<ssize_t>(0, read(said[0], why.data(), why.size()))));
  close(said[0]);
  waitpid(child, nullptr, 0);
  expect_parts(why, {"this user may not open /dev/nvidia0; run `sudo "});
}

TEST(GpuPresence, TheGroupThatMayOpenThemIsNamed) {
  GpuPresence gpu = driven();
  gpu.refused = {"/dev/nvidia0", "/dev/nvidiactl"};
  gpu.driver.clear();
  gpu.refused_group = "video";
  expect_parts(why_gpu_is_unusable(gpu, build(true)),
               {"/dev/nvidia0, /dev/nvidiactl", "`sudo usermod -aG video \"$USER\"`"});
  gpu.refused_group.clear();
  expect_parts(why_gpu_is_unusable(gpu, build(true)),
               {"`sudo chmod a+rw /dev/nvidia0 /dev/nvidiactl`"});
}

TEST(GpuPresence, InAContainerWithoutTheRuntime) {
  SystemFolder system;
  add_card(system, "nvidia");
  system.write("sys/module/nvidia/version", "580.95.05\n");
  system.write(".dockerenv", "");
  expect_parts(why_gpu_is_unusable(gpu_presence(system.root, kNoLibrary), build(true)),
               {"this container has no driver for it", "`--gpus=all`"});
  GpuPresence gpu = driven();  // the driver's tools without its CUDA
  gpu.container = true;
  expect_parts(why_gpu_is_unusable(gpu, build(true)),
               {"CUDA does not start on it in this container", "NVIDIA_DRIVER_CAPABILITIES"});
}

TEST(GpuPresence, InWindows) {
  SystemFolder system;
  system.write("proc/sys/kernel/osrelease", "6.6.87.2-microsoft-standard-WSL2\n");
  system.write("dev/dxg", "");  // an AMD card has it, too
  EXPECT_FALSE(gpu_presence(system.root, kNoLibrary).any());
  system.write("usr/lib/wsl/lib/libcuda.so.1", "");
  expect_parts(why_gpu_is_unusable(gpu_presence(system.root, kNoLibrary), build(true)),
               {"no driver of Windows that answers", "in Windows to 580 or later"});
}

TEST(GpuPresence, HiddenCards) {
  GpuPresence gpu = driven();
  gpu.visible = "7";
  expect_parts(why_gpu_is_unusable(gpu, build(true)),
               {"CUDA_VISIBLE_DEVICES='7' hides every card", "unset CUDA_VISIBLE_DEVICES"});
  for (const char* purpose : {"", "-1"}) {
    gpu.visible = purpose;
    EXPECT_EQ(why_gpu_is_unusable(gpu, build(true)), "") << purpose;
    EXPECT_EQ(gpu_findings(gpu, build(true)).front().level, Finding::kWarning);
  }
  const SystemFolder system;
  const Environment visible("CUDA_VISIBLE_DEVICES", "3");
  EXPECT_EQ(gpu_presence(system.root, kNoLibrary).visible, "3");
}

TEST(GpuPresence, AsksTheDriver) {
  const SystemFolder system;
  const Environment plain("FAKE_NVML", "");
  const GpuPresence gpu = gpu_presence(system.root, GPT_FAKE_NVML);
  EXPECT_TRUE(gpu.any());
  EXPECT_EQ(gpu.driver, "580.95.05");
  ASSERT_EQ(gpu.cards.size(), 1u);
  expect_parts(why_gpu_is_unusable(gpu, build(true)),
               {"the driver has a card, but CUDA does not start on it", "modprobe nvidia-uvm"});
}

}  // namespace
}  // namespace gpt
