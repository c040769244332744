#include <algorithm>
#include <cstdlib>
#include <optional>

#include "gpt/base/strings.h"
#include "gpt/device/gpu_presence.h"
#include "gpt/device/library_versions.h"

namespace gpt {

namespace {

// What CUDA 13 needs, which the program is built with.
constexpr int kCuda = 13000, kCapability = 75, kDriver = 580;

Finding warning(const std::string& what, const std::string& next) {
  return {Finding::kWarning, what, next};
}

// How people choose the CPU with programs that have no option for it.
bool hidden_on_purpose(const GpuPresence& gpu) {
  return gpu.visible && (gpu.visible->empty() || *gpu.visible == "-1");
}

bool too_old(int capability) {
  return capability > 0 && capability < kCapability;
}

std::string update_text(const GpuPresence& gpu) {
  if (gpu.wsl)
    return "update NVIDIA's driver in Windows to 580 or later, then run `wsl --shutdown`";
  return concat("update NVIDIA's driver ", gpu.container ? "on the host " : "",
                "to 580 or later (Ubuntu: `sudo apt install nvidia-driver-580`; others: "
                "https://www.nvidia.com/drivers) and restart the machine");
}

constexpr const char* kStartContainer =
    "start the container with `--gpus=all` (Docker and Podman, with NVIDIA's Container Toolkit on "
    "the host) or `--nv` (Singularity)";

Finding refused_nodes(const GpuPresence& gpu) {
  const std::string what =
      concat("an NVIDIA card is here, but this user may not open ", join(gpu.refused, ", "));
  if (gpu.container) return warning(what, kStartContainer);
  if (gpu.refused_group.empty())
    return warning(what, concat("run `sudo chmod a+rw ", join(gpu.refused, " "), "`"));
  return warning(
      what, concat("run `sudo usermod -aG ", gpu.refused_group, " \"$USER\"`, then log in again"));
}

Finding no_driver(const GpuPresence& gpu) {
  const std::string here = "an NVIDIA card is here, but ";
  if (gpu.wsl)
    return warning(concat(here, "no driver of Windows that answers (", gpu.no_driver, ")"),
                   update_text(gpu));
  if (gpu.container)
    return warning(concat(here, "this container has no driver for it (", gpu.no_driver, ")"),
                   kStartContainer);
  if (const int version = std::atoi(gpu.module_version.c_str()); version > 0) {
    if (version < kDriver)
      return warning(
          concat(here, "its driver is ", gpu.module_version, ", and CUDA 13 needs ", kDriver),
          update_text(gpu));
    return warning(
        concat(here, "driver ", gpu.module_version,
               " runs in the kernel and its library does not answer (", gpu.no_driver, ")"),
        "install the rest of the driver (Debian and Ubuntu: `sudo apt install "
        "nvidia-utils-580 libnvidia-compute-580`) or restart the machine if it was "
        "updated");
  }
  return warning(
      concat(here,
             gpu.bus_driver.empty() || gpu.bus_driver == "nvidia"
                 ? "no driver that answers"
                 : concat("the kernel's ", gpu.bus_driver, " drives it, which cannot compute"),
             " (", gpu.no_driver, ")"),
      "install NVIDIA's driver, 580 or later (Ubuntu: `sudo apt install "
      "nvidia-driver-580`; others: https://www.nvidia.com/drivers), and restart the "
      "machine");
}

std::optional<Finding> old_driver(const GpuPresence& gpu) {
  // A driver runs all of CUDA's minor versions from its own major version on.
  if (gpu.driver_cuda == 0 || gpu.driver_cuda / 1000 >= kCuda / 1000) return std::nullopt;
  return warning(
      concat("driver ", gpu.driver, " runs CUDA up to ", cuda_version_text(gpu.driver_cuda),
             ", this program needs ", cuda_version_text(kCuda)),
      update_text(gpu));
}

Finding old_card(const std::string& name, int capability) {
  return warning(concat("the ", name, " has compute capability ", capability / 10, ".",
                        capability % 10, ", and CUDA 13 begins at 7.5"),
                 "train with --device=cpu, or choose another card with CUDA_VISIBLE_DEVICES");
}

// A card is here, and CUDA starts on none: why?
Finding unusable(const GpuPresence& gpu) {
  if (!gpu.refused.empty()) return refused_nodes(gpu);
  if (gpu.driver.empty()) return no_driver(gpu);
  if (const auto old = old_driver(gpu)) return *old;
  if (gpu.visible)
    return warning(concat("CUDA_VISIBLE_DEVICES='", *gpu.visible, "' hides every card"),
                   "unset CUDA_VISIBLE_DEVICES");
  if (gpu.cards.empty())
    return warning("the driver runs, but reports no card",
                   gpu.container ? kStartContainer : "see `sudo dmesg | grep -i nvrm`");
  if (gpu.container)
    return warning(
        "the driver has a card, but CUDA does not start on it in this container",
        concat(kStartContainer, ", and with NVIDIA_DRIVER_CAPABILITIES=compute,utility"));
  return warning("the driver has a card, but CUDA does not start on it",
                 "run `sudo modprobe nvidia-uvm`, or restart the machine");
}

}  // namespace

std::vector<Finding> gpu_findings(const GpuPresence& gpu, const DeviceFacts& device) {
  std::vector<Finding> findings;
  for (const GpuCard& card : gpu.cards)
    if (const int capability = 10 * card.major + card.minor; too_old(capability))
      findings.push_back(old_card(card.name, capability));
  // Nothing that is mended would make those of use.
  if (!findings.empty() && findings.size() == gpu.cards.size()) return findings;
  if (!device.built_with_cuda)
    findings.push_back(gpu.any()
                           ? warning("an NVIDIA card is here, but this build is for the CPU only",
                                     "build it with CUDA: `GPTTRAIN_CUDA=ON scripts/quickstart`")
                           : Finding{Finding::kNote, "this build is for the CPU only", ""});
  // A build for the CPU says nothing of CUDA; only what its driver says is known.
  const bool asked = device.built_with_cuda || gpu.driver.empty() || !gpu.refused.empty();
  if (gpu.any() && device.cuda_devices == 0 && asked)
    findings.push_back(unusable(gpu));
  else if (const auto old = old_driver(gpu); old && gpu.any())
    findings.push_back(*old);
  else if (device.built_with_cuda && !gpu.any() && device.cuda_devices == 0)
    findings.push_back(
        gpu.driver.empty()
            ? Finding{Finding::kNote, "no NVIDIA card and no driver: runs use the CPU", ""}
            : unusable(gpu));
  return findings;
}

std::string why_gpu_is_unusable(const GpuPresence& gpu, const DeviceFacts& device) {
  std::vector<Finding> findings;
  if (device.cuda_devices > 0) {
    if (too_old(device.cuda_capability))
      findings.push_back(old_card(device.cuda_name, device.cuda_capability));
  } else if (gpu.any() && !hidden_on_purpose(gpu)) {
    findings = gpu_findings(gpu, device);
  }
  std::vector<std::string> whats, nexts;
  for (const Finding& finding : findings) {
    if (finding.level == Finding::kNote) continue;
    whats.push_back(finding.what);
    nexts.push_back(finding.next);
  }
  return whats.empty() ? "" : concat(join(whats, ", and "), "; ", join(nexts, "; then "));
}

}  // namespace gpt
