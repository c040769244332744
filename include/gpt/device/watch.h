// What a run and its neighbours hold while it runs.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include <c10/core/Device.h>

#include "gpt/device/nvml.h"

namespace gpt {

// Bytes. Of a card: all from the driver; `others` is what other processes hold, if that can be
// told. Of the CPU: the machine's memory, `own` being this process's resident pages.
struct DeviceReading {
  std::uint64_t total = 0, used = 0, reserved = 0, free = 0;
  std::optional<std::uint64_t> own, others;
  bool drives_display = false;  // of a card: programs draw with it
};

class DeviceWatch {
 public:
  // `library`: NVML; tests pass another.
  explicit DeviceWatch(const c10::Device& device, const std::string& library = "libnvidia-ml.so.1");
  // For tests: a card by its place on the PCI bus.
  DeviceWatch(std::unique_ptr<Nvml> nvml, std::string pci_bus_id);

  // At most one reading a second; between them the last one. Nothing for a card without NVML.
  const std::optional<DeviceReading>& read();

 private:
  std::optional<DeviceReading> read_now() const;

  std::unique_ptr<Nvml> nvml_;
  std::string pci_bus_id_;  // "" for the CPU
  std::optional<DeviceReading> last_;
  std::chrono::steady_clock::time_point read_at_{};
};

// Who but this process holds memory of `device`: "the card has 512.00 MiB in use by other processes
// (PID NAME 512.00 MiB, ...)", or "" if nobody does or it cannot be told. Call before this process
// allocates on the device.
std::string other_holders(const c10::Device& device,
                          const std::string& library = "libnvidia-ml.so.1");
std::string other_holders(const GpuCard& card, unsigned own_pid);

}  // namespace gpt
