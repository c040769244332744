// A stand-in for the driver's libnvidia-ml.so.1: one card with three processes, one of them the
// caller. FAKE_NVML in the environment makes it behave otherwise: "no_driver", "mismatch", "hidden"
// (the caller's pid is another to the driver, as in a container), "alone" (no processes), "silent"
// (process lists are not supported).
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <unistd.h>

namespace {

struct Memory {
  unsigned version;
  unsigned long long total, reserved, free, used;
};
struct Process {
  unsigned pid;
  unsigned long long bytes;
  unsigned gpu_instance, compute_instance;
};
static_assert(sizeof(Memory) == 40 && sizeof(Process) == 24);

constexpr unsigned long long kMiB = 1ull << 20;
int card;

bool behaves(const char* how) {
  const char* wanted = std::getenv("FAKE_NVML");
  return wanted && std::string(wanted) == how;
}

}  // namespace

// As exported by the driver.
extern "C" {

int nvmlInit_v2();
int nvmlShutdown();
int nvmlSystemGetDriverVersion(char* text, unsigned size);
int nvmlSystemGetCudaDriverVersion_v2(int* version);
int nvmlDeviceGetCount_v2(unsigned* count);
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void** device);
int nvmlDeviceGetHandleByPciBusId_v2(const char* id, void** device);
int nvmlDeviceGetName(void* device, char* text, unsigned size);
int nvmlDeviceGetCudaComputeCapability(void* device, int* major, int* minor);
int nvmlDeviceGetMemoryInfo(void* device, void* memory);
int nvmlDeviceGetMemoryInfo_v2(void* device, Memory* memory);
int nvmlDeviceGetComputeRunningProcesses_v3(void* device, unsigned* count, Process* list);
int nvmlDeviceGetGraphicsRunningProcesses_v3(void* device, unsigned* count, Process* list);

int nvmlInit_v2() {
  return behaves("no_driver") ? 9 : behaves("mismatch") ? 18 : 0;
}
int nvmlShutdown() {
  return 0;
}
int nvmlSystemGetDriverVersion(char* text, unsigned size) {
  std::snprintf(text, size, "580.95.05");
  return 0;
}
int nvmlSystemGetCudaDriverVersion_v2(int* version) {
  *version = 13000;
  return 0;
}
int nvmlDeviceGetCount_v2(unsigned* count) {
  *count = 1;
  return 0;
}
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void** device) {
  *device = &card;
  return index == 0 ? 0 : 2;
}
int nvmlDeviceGetHandleByPciBusId_v2(const char* id, void** device) {
  *device = &card;
  return std::strcmp(id, "00000000:01:00.0") == 0 ? 0 : 6;
}
int nvmlDeviceGetName(void*, char* text, unsigned size) {
  std::snprintf(text, size, "NVIDIA GeForce RTX 3060");
  return 0;
}
int nvmlDeviceGetCudaComputeCapability(void*, int* major, int* minor) {
  *major = 8, *minor = 6;
  return 0;
}
int nvmlDeviceGetMemoryInfo(void*, void*) {
  return 3;
}
int nvmlDeviceGetMemoryInfo_v2(void*, Memory* memory) {
  if (memory->version != (sizeof(Memory) | (2u << 24))) return 25;
  memory->total = 12288 * kMiB;
  memory->reserved = 318 * kMiB;
  memory->used = 2560 * kMiB;
  memory->free = memory->total - memory->reserved - memory->used;
  return 0;
}
int nvmlDeviceGetComputeRunningProcesses_v3(void*, unsigned* count, Process* list) {
  if (behaves("silent")) return 3;
  const unsigned here = behaves("alone") ? 0 : 2;
  if (*count < here) return 7;
  *count = here;
  if (here == 0) return 0;
  const auto own = static_cast<unsigned>(getpid());
  list[0] = {behaves("hidden") ? own + 4000000 : own, 2048 * kMiB, ~0u, ~0u};
  list[1] = {1, 384 * kMiB, ~0u, ~0u};
  return 0;
}
int nvmlDeviceGetGraphicsRunningProcesses_v3(void*, unsigned* count, Process* list) {
  if (behaves("alone")) return *count = 0;
  *count = 2;
  list[0] = {1, 384 * kMiB, ~0u, ~0u};  // the same as above: it computes and draws
  list[1] = {4190000, 128 * kMiB, ~0u, ~0u};
  return 0;
}
}
