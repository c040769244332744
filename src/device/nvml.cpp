#include "gpt/device/nvml.h"

#include <dlfcn.h>
#include <fstream>

namespace gpt {

namespace {

// The ABI as NVIDIA documents it, here and below.
using Status = int;
constexpr Status kSuccess = 0, kInsufficientSize = 7;
constexpr unsigned long long kUnknownBytes = ~0ull;

std::string process_name(unsigned pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/comm");
  std::string name;
  std::getline(file, name);
  return name;
}

}  // namespace

// Its types are its own: g++ 14 crashes on fields of types from an unnamed namespace where this
// file is compiled in a batch.
struct Nvml::Functions {
  struct Memory {
    unsigned version = sizeof(Memory) | (2u << 24);
    unsigned long long total = 0, reserved = 0, free = 0, used = 0;
  };

  struct OldMemory {
    unsigned long long total = 0, free = 0, used = 0;
  };

  struct Process {
    unsigned pid;
    unsigned long long bytes;
    unsigned gpu_instance, compute_instance;
  };

  struct Close {
    void operator()(void* library) const { dlclose(library); }
  };
  std::unique_ptr<void, Close> library;
  Status (*init)() = nullptr;
  Status (*shutdown)() = nullptr;
  Status (*driver_version)(char*, unsigned) = nullptr;
  Status (*cuda_version)(int*) = nullptr;
  Status (*count)(unsigned*) = nullptr;
  Status (*by_index)(unsigned, void**) = nullptr;
  Status (*by_bus)(const char*, void**) = nullptr;
  Status (*name)(void*, char*, unsigned) = nullptr;
  Status (*capability)(void*, int*, int*) = nullptr;
  Status (*memory)(void*, Memory*) = nullptr;  // since driver 510
  Status (*old_memory)(void*, OldMemory*) = nullptr;
  Status (*compute)(void*, unsigned*, Process*) = nullptr;
  Status (*graphics)(void*, unsigned*, Process*) = nullptr;

  template <class F>
  bool find(F*& function, const char* symbol) {
    function = reinterpret_cast<F*>(dlsym(library.get(), symbol));
    return function;
  }

  bool find_all() {
    find(memory, "nvmlDeviceGetMemoryInfo_v2");
    find(graphics, "nvmlDeviceGetGraphicsRunningProcesses_v3");
    find(compute, "nvmlDeviceGetComputeRunningProcesses_v3");
    return find(init, "nvmlInit_v2") && find(shutdown, "nvmlShutdown") &&
           find(driver_version, "nvmlSystemGetDriverVersion") &&
           find(cuda_version, "nvmlSystemGetCudaDriverVersion_v2") &&
           find(count, "nvmlDeviceGetCount_v2") &&
           find(by_index, "nvmlDeviceGetHandleByIndex_v2") &&
           find(by_bus, "nvmlDeviceGetHandleByPciBusId_v2") && find(name, "nvmlDeviceGetName") &&
           find(capability, "nvmlDeviceGetCudaComputeCapability") &&
           find(old_memory, "nvmlDeviceGetMemoryInfo");
  }

  void read_memory(void* device, GpuCard& card) const {
    Memory now;
    if (memory && memory(device, &now) == kSuccess) {
      card.total = now.total, card.used = now.used;
      card.reserved = now.reserved, card.free = now.free;
      return;
    }
    OldMemory old;
    if (old_memory(device, &old) != kSuccess) return;
    card.total = old.total, card.used = old.used, card.free = old.free;
  }

  // How many are listed; nothing if the driver does not tell.
  std::optional<unsigned> add_processes(Status (*list)(void*, unsigned*, Process*), void* device,
                                        GpuCard& card) const {
    if (!list) return std::nullopt;
    std::vector<Process> found(16);
    auto listed = static_cast<unsigned>(found.size());
    Status status = list(device, &listed, found.data());
    // They may become more between two calls.
    for (int tries = 0; status == kInsufficientSize && tries < 4; ++tries) {
      found.resize(listed + 16);
      listed = static_cast<unsigned>(found.size());
      status = list(device, &listed, found.data());
    }
    if (status != kSuccess) return std::nullopt;
    for (unsigned i = 0; i < listed; ++i) {
      bool known = false;
      for (const GpuProcess& process : card.processes) known |= process.pid == found[i].pid;
      if (known) continue;
      GpuProcess& process = card.processes.emplace_back();
      process.pid = found[i].pid;
      process.name = process_name(process.pid);
      if (found[i].bytes != kUnknownBytes) process.bytes = found[i].bytes;
    }
    return listed;
  }
};

std::optional<std::uint64_t> GpuCard::others(unsigned own_pid, bool running) const {
  if (!lists_processes) return std::nullopt;
  std::uint64_t sum = 0;
  bool seen = !running;
  for (const GpuProcess& process : processes) {
    if (process.pid == own_pid) {
      seen = true;
      continue;
    }
    if (!process.bytes) return std::nullopt;
    sum += *process.bytes;
  }
  return seen ? std::optional(sum) : std::nullopt;
}

std::unique_ptr<Nvml> Nvml::load(const std::string& library, std::string* why) {
  auto functions = std::make_unique<Functions>();
  const auto refuse = [&](const std::string& reason) {
    if (why) *why = reason;
    return nullptr;
  };
  functions->library.reset(dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL));
  if (!functions->library) return refuse(library + " is not there");
  if (!functions->find_all()) return refuse(library + " lacks functions that it should have");
  if (const Status status = functions->init(); status != kSuccess)
    return refuse(library + " does not start, status " + std::to_string(status) +
                  (status == 9    ? ": the driver is not loaded"
                   : status == 18 ? ": the loaded driver is of another version; restart the machine"
                                  : ""));
  return std::unique_ptr<Nvml>(new Nvml(std::move(functions)));
}

Nvml::Nvml(std::unique_ptr<Functions> functions) : functions_(std::move(functions)) {}

Nvml::~Nvml() {
  functions_->shutdown();
}

std::string Nvml::driver_version() const {
  char text[96] = "";
  functions_->driver_version(text, sizeof text);
  return text;
}

int Nvml::cuda_version() const {
  int version = 0;
  functions_->cuda_version(&version);
  return version;
}

int Nvml::cards() const {
  unsigned count = 0;
  return functions_->count(&count) == kSuccess ? static_cast<int>(count) : 0;
}

std::optional<GpuCard> Nvml::card(int index) const {
  void* device = nullptr;
  if (functions_->by_index(static_cast<unsigned>(index), &device) != kSuccess) return {};
  return read(device);
}

std::optional<GpuCard> Nvml::card(const std::string& pci_bus_id) const {
  void* device = nullptr;
  if (functions_->by_bus(pci_bus_id.c_str(), &device) != kSuccess) return {};
  return read(device);
}

std::optional<GpuCard> Nvml::read(void* device) const {
  GpuCard card;
  char name[96] = "";
  functions_->name(device, name, sizeof name);
  card.name = name;
  functions_->capability(device, &card.major, &card.minor);
  functions_->read_memory(device, card);
  if (card.total == 0) return {};
  card.lists_processes = functions_->add_processes(functions_->compute, device, card).has_value();
  if (card.lists_processes)
    card.drives_display =
        functions_->add_processes(functions_->graphics, device, card).value_or(0) > 0;
  return card;
}

}  // namespace gpt
