// NVIDIA's management library, which comes with the driver: who holds how much of a card. Loaded at
// run time, so that the program starts where there is no driver. Safe to call from one thread at a
// time.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace gpt {

struct GpuProcess {
  unsigned pid = 0;                    // as the driver counts, which a container may not see
  std::string name;                    // "" if it cannot be seen from here
  std::optional<std::uint64_t> bytes;  // unknown on some systems (WSL)
};

struct GpuCard {
  std::string name;
  int major = 0, minor = 0;  // compute capability
  // Bytes. `reserved` is the driver's own share, and 0 with drivers that count it as used.
  std::uint64_t total = 0, used = 0, reserved = 0, free = 0;
  bool lists_processes = true;  // false: the driver does not tell
  std::vector<GpuProcess> processes;
  bool drives_display = false;  // some of them draw

  // Bytes of processes other than `own_pid`; nothing if that cannot be told: one of unknown size,
  // or, where `running`, this one is not in the list, because its pid is another to the driver.
  std::optional<std::uint64_t> others(unsigned own_pid, bool running) const;
};

class Nvml {
 public:
  // Null if there is no such library or it does not start; `why` then gets the reason.
  static std::unique_ptr<Nvml> load(const std::string& library = "libnvidia-ml.so.1",
                                    std::string* why = nullptr);
  ~Nvml();

  std::string driver_version() const;  // "580.95.05"
  int cuda_version() const;            // newest CUDA that the driver runs: 13000 for 13.0
  int cards() const;
  // By the driver's order, which neither CUDA's nor CUDA_VISIBLE_DEVICES touches; or by the place
  // on the PCI bus, "00000000:01:00.0". Nothing if there is none or it does not answer.
  std::optional<GpuCard> card(int index) const;
  std::optional<GpuCard> card(const std::string& pci_bus_id) const;

 private:
  struct Functions;
  explicit Nvml(std::unique_ptr<Functions> functions);
  std::optional<GpuCard> read(void* device) const;
  std::unique_ptr<Functions> functions_;
};

}  // namespace gpt
