// What of NVIDIA's is in this machine, whether or not this program can use it: a card that is here
// is never silently left alone. Plain data, so that verdicts can be tested on machines that are not
// here.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "gpt/base/system_root.h"
#include "gpt/device/device.h"
#include "gpt/device/finding.h"
#include "gpt/device/nvml.h"

namespace gpt {

struct GpuPresence {
  int on_bus = 0;          // display devices on PCI, but for those that virtual machines have
  std::string bus_driver;  // of the kernel, for the last of them: "nvidia", "nouveau"; "" if none
  bool wsl = false;        // Linux in Windows, where cards are not on the bus ...
  bool wsl_card = false;   // ... but Windows hands one on
  bool container = false;
  std::string module_version;        // of NVIDIA's driver in the kernel: "580.95.05"; "" if none
  bool has_nodes = false;            // are there device files, /dev/nvidia*?
  std::vector<std::string> refused;  // those that this user may not open
  std::string refused_group;         // the group that may

  std::string driver;     // as its library says; "" without one
  std::string no_driver;  // why not
  int driver_cuda = 0;    // newest CUDA that the driver runs: 13000
  std::vector<GpuCard> cards;
  std::optional<std::string> visible;  // CUDA_VISIBLE_DEVICES

  // Is there a card, usable or not?
  bool any() const { return on_bus > 0 || wsl_card || !cards.empty(); }
};

GpuPresence gpu_presence(const SystemRoot& root = {},
                         const std::string& nvml = "libnvidia-ml.so.1");

// What keeps this program off a card, the thing to mend first; `device` says what CUDA sees. Only
// notes where there is no card. Nothing if all is well.
std::vector<Finding> gpu_findings(const GpuPresence& gpu, const DeviceFacts& device);

// The same in one line, "WHAT; NEXT", for a run that asks for the card that `device` describes; ""
// if it can have it, if there is no card, or if CUDA_VISIBLE_DEVICES hides all of them on purpose.
std::string why_gpu_is_unusable(const GpuPresence& gpu, const DeviceFacts& device);

}  // namespace gpt
