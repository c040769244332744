#include "gpt/device/gpu_presence.h"

#include <cstdlib>
#include <grp.h>
#include <sys/stat.h>
#include <unistd.h>

namespace gpt {

namespace {

namespace fs = std::filesystem;

void look_at_bus(const SystemRoot& root, GpuPresence& gpu) {
  std::error_code ignored;
  for (const auto& device : fs::directory_iterator(root / "sys/bus/pci/devices", ignored)) {
    if (first_line(device.path() / "vendor") != "0x10de" ||
        !first_line(device.path() / "class").starts_with("0x03"))
      continue;
    const std::string driver =
        fs::read_symlink(device.path() / "driver", ignored).filename().string();
    if (driver == "vfio-pci") continue;  // a virtual machine has it
    ++gpu.on_bus;
    gpu.bus_driver = driver;
  }
}

void look_at_nodes(const SystemRoot& root, GpuPresence& gpu) {
  std::error_code ignored;
  for (const auto& node : fs::directory_iterator(root / "dev", ignored)) {
    const std::string name = node.path().filename().string();
    const bool card =
        name.size() > 6 && name.starts_with("nvidia") && name[6] >= '0' && name[6] <= '9';
    if (!card && name != "nvidiactl" && name != "nvidia-uvm") continue;
    gpu.has_nodes = true;
    if (access(node.path().c_str(), R_OK | W_OK) == 0) continue;
    gpu.refused.push_back("/dev/" + name);
    struct stat facts {};
    if (stat(node.path().c_str(), &facts) != 0 || facts.st_gid == 0) continue;
    const group* owner = getgrgid(facts.st_gid);
    if (owner) gpu.refused_group = owner->gr_name;
  }
}

void ask_driver(const std::string& library, GpuPresence& gpu) {
  const auto nvml = Nvml::load(library, &gpu.no_driver);
  if (!nvml) return;
  gpu.driver = nvml->driver_version();
  gpu.driver_cuda = nvml->cuda_version();
  for (int i = 0; i < nvml->cards(); ++i)
    if (auto card = nvml->card(i)) gpu.cards.push_back(std::move(*card));
}

}  // namespace

GpuPresence gpu_presence(const SystemRoot& root, const std::string& nvml) {
  GpuPresence gpu;
  look_at_bus(root, gpu);
  std::error_code ignored;
  gpu.wsl = in_wsl(root);
  // Windows' driver puts its libraries and tools there.
  for (const char* tool : {"libcuda.so.1", "libnvidia-ml.so.1", "nvidia-smi"})
    gpu.wsl_card |= gpu.wsl && fs::exists(root / "dev/dxg", ignored) &&
                    fs::exists(root / "usr/lib/wsl/lib" / tool, ignored);
  gpu.container = in_container(root);
  gpu.module_version = first_line(root / "sys/module/nvidia/version");
  look_at_nodes(root, gpu);
  ask_driver(nvml, gpu);
  if (const char* visible = std::getenv("CUDA_VISIBLE_DEVICES")) gpu.visible = visible;
  return gpu;
}

}  // namespace gpt
