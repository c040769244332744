#include "gpt/device/watch.h"

#include <algorithm>
#include <fstream>
#include <unistd.h>
#include <utility>
#include <vector>

#include "gpt/base/strings.h"
#include "gpt/device/memory.h"

#include "device_backend.h"

namespace gpt {

namespace {

// Of the process alone: pages of files that it has mapped are the system's, which takes them back
// when it needs them.
std::uint64_t own_bytes() {
  std::ifstream file("/proc/self/statm");
  std::uint64_t pages = 0, resident = 0, shared = 0;
  file >> pages >> resident >> shared;
  return (resident - std::min(shared, resident)) *
         static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

}  // namespace

DeviceWatch::DeviceWatch(const c10::Device& device, const std::string& library) {
  if (!device.is_cuda()) return;
  pci_bus_id_ = cuda_pci_bus_id(device.index());
  nvml_ = Nvml::load(library);
}

DeviceWatch::DeviceWatch(std::unique_ptr<Nvml> nvml, std::string pci_bus_id)
    : nvml_(std::move(nvml)), pci_bus_id_(std::move(pci_bus_id)) {}

const std::optional<DeviceReading>& DeviceWatch::read() {
  const auto now = std::chrono::steady_clock::now();
  if (last_ && now - read_at_ < std::chrono::seconds(1)) return last_;
  read_at_ = now;
  return last_ = read_now();
}

std::optional<DeviceReading> DeviceWatch::read_now() const {
  DeviceReading reading;
  if (pci_bus_id_.empty()) {
    const c10::Device cpu(c10::kCPU);
    reading.total = total_memory(cpu);
    reading.free = free_memory(cpu);
    reading.used = reading.total - reading.free;
    reading.own = own_bytes();
    return reading;
  }
  const auto card = nvml_ ? nvml_->card(pci_bus_id_) : std::nullopt;
  if (!card) return {};
  const auto own = static_cast<unsigned>(getpid());
  reading.total = card->total, reading.used = card->used;
  reading.reserved = card->reserved, reading.free = card->free;
  reading.others = card->others(own, /*running=*/true);
  reading.drives_display = card->drives_display;
  for (const GpuProcess& process : card->processes)
    if (process.pid == own) reading.own = process.bytes;
  return reading;
}

std::string other_holders(const GpuCard& card, unsigned own_pid) {
  std::uint64_t sum = 0;
  std::vector<std::string> holders;
  for (const GpuProcess& process : card.processes) {
    if (process.pid == own_pid) continue;
    sum += process.bytes.value_or(0);
    holders.push_back(concat(process.pid, process.name.empty() ? "" : " ", process.name, " ",
                             process.bytes ? human_bytes(*process.bytes) : "of unknown size"));
  }
  if (holders.empty()) return "";
  return concat(holders.size(), " other process(es) hold ", human_bytes(sum), " of the ", card.name,
                " (", join(holders, ", "), ")");
}

std::string other_holders(const c10::Device& device, const std::string& library) {
  if (!device.is_cuda()) return "";
  const auto nvml = Nvml::load(library);
  const auto card = nvml ? nvml->card(cuda_pci_bus_id(device.index())) : std::nullopt;
  return card ? other_holders(*card, static_cast<unsigned>(getpid())) : "";
}

}  // namespace gpt
