#include <algorithm>
#include <csetjmp>
#include <cstring>
#include <limits>
#include <memory>
#include <stdexcept>
#include <ucontext.h>
#include <utility>
#include <vector>

#include "cuda_runtime.h"

namespace gpt::emulation {

Place here;

namespace {

constexpr std::size_t kStack = 64 << 10;
constexpr double kPoison = std::numeric_limits<double>::quiet_NaN();
constexpr std::size_t kWarp = 32, kLargestValue = 16;

enum class Waits { kNothing, kBarrier, kWarpBarrier, kWarpRead, kWarpLeave, kDone };

// A stack of its own, made once: it runs one thread of a block after the other. Between fibers a
// longjmp will do, which, unlike swapcontext, asks the system for nothing.
struct Fiber {
  std::vector<char> stack = std::vector<char>(kStack);
  jmp_buf place;
};

struct Thread {
  std::unique_ptr<Fiber> fiber;
  Place place;
  Waits waits = Waits::kNothing;
  char value[kLargestValue] = {};
};

struct alignas(128) SharedLine {
  double value[16];
};

struct Device {
  Order order = Order::kForward;
  std::size_t shared_limit = 99 << 10;
  Counts counts;
  std::vector<SharedLine> shared;
  jmp_buf scheduler;
  std::vector<Thread> threads;
  std::size_t count = 0, current = 0;
  const std::function<void()>* body = nullptr;
  bool misaligned = false, refuse_attributes = false;
  cudaError_t last_error = cudaSuccess;
};
Device device;

void to_scheduler(Thread& mine) {
  if (_setjmp(mine.fiber->place) == 0) _longjmp(device.scheduler, 1);
}

void fiber_main() {
  while (true) {
    (*device.body)();
    Thread& mine = device.threads[device.current];
    mine.waits = Waits::kDone;
    to_scheduler(mine);
  }
}

void wait(Waits what) {
  Thread& mine = device.threads[device.current];
  mine.waits = what;
  to_scheduler(mine);
}

// Runs the current thread until it waits or is done.
void resume(Thread& thread) {
  if (_setjmp(device.scheduler) != 0) return;
  if (thread.fiber) _longjmp(thread.fiber->place, 1);
  thread.fiber = std::make_unique<Fiber>();
  ucontext_t context;
  getcontext(&context);
  context.uc_stack.ss_sp = thread.fiber->stack.data();
  context.uc_stack.ss_size = thread.fiber->stack.size();
  context.uc_link = nullptr;
  makecontext(&context, fiber_main, 0);
  setcontext(&context);
}

// Lets every thread of [begin, end) that waits for `what` continue, if all that live wait for it.
bool release(std::size_t begin, std::size_t end, Waits what) {
  bool any = false;
  for (std::size_t i = begin; i < end; ++i) {
    const Waits waits = device.threads[i].waits;
    if (waits != what && waits != Waits::kDone) return false;
    any = any || waits == what;
  }
  if (!any) return false;
  for (std::size_t i = begin; i < end; ++i)
    if (device.threads[i].waits == what) device.threads[i].waits = Waits::kNothing;
  return true;
}

bool release_any() {
  bool released = release(0, device.count, Waits::kBarrier);
  for (std::size_t warp = 0; warp < device.count; warp += kWarp) {
    const std::size_t end = std::min(device.count, warp + kWarp);
    released = release(warp, end, Waits::kWarpBarrier) || released;
    released = release(warp, end, Waits::kWarpRead) || released;
    released = release(warp, end, Waits::kWarpLeave) || released;
  }
  return released;
}

void run_ready() {
  for (std::size_t k = 0; k < device.count; ++k) {
    const std::size_t i = device.order == Order::kForward ? k : device.count - 1 - k;
    if (device.threads[i].waits != Waits::kNothing) continue;
    device.current = i;
    here = device.threads[i].place;
    resume(device.threads[i]);
  }
}

bool all_done() {
  return std::all_of(device.threads.begin(),
                     device.threads.begin() + static_cast<std::ptrdiff_t>(device.count),
                     [](const Thread& thread) { return thread.waits == Waits::kDone; });
}

void run_block(dim3 block, dim3 grid, dim3 threads) {
  for (SharedLine& line : device.shared)
    std::fill(std::begin(line.value), std::end(line.value), kPoison);
  for (std::size_t i = 0; i < device.count; ++i) {
    const auto x = static_cast<unsigned>(i % threads.x), y = static_cast<unsigned>(i / threads.x);
    device.threads[i].place = {block, dim3(x, y, 0), grid, threads};
    device.threads[i].waits = Waits::kNothing;
  }
  while (true) {
    run_ready();
    if (all_done()) return;
    if (!release_any())
      throw std::logic_error("emulated CUDA: threads wait for others that never come");
  }
}

}  // namespace

void set_order(Order order) {
  device.order = order;
}
void set_shared_memory(std::size_t bytes) {
  device.shared_limit = bytes;
}
void refuse_attributes(bool refuse) {
  device.refuse_attributes = refuse;
}
const Counts& counts() {
  return device.counts;
}

void launch(dim3 grid, dim3 threads, std::size_t shared, const std::function<void()>& body) {
  device.count = static_cast<std::size_t>(threads.x) * threads.y * threads.z;
  const bool fits = device.count > 0 && device.count <= 1024 && shared <= device.shared_limit;
  if (!fits || grid.x == 0 || grid.y == 0 || grid.y > 65535 || grid.z != 1 || threads.z != 1)
    throw std::logic_error("emulated CUDA: no device would take this launch");
  if (device.threads.size() < device.count) device.threads.resize(device.count);
  device.shared.resize(shared / sizeof(SharedLine) + 1);
  device.body = &body;
  ++device.counts.launches;
  const std::size_t blocks = static_cast<std::size_t>(grid.x) * grid.y;
  device.counts.threads += static_cast<std::int64_t>(blocks * device.count);
  for (std::size_t k = 0; k < blocks; ++k) {
    const std::size_t i = device.order == Order::kForward ? k : blocks - 1 - k;
    run_block(dim3(static_cast<unsigned>(i % grid.x), static_cast<unsigned>(i / grid.x), 0), grid,
              threads);
  }
  if (std::exchange(device.misaligned, false))
    throw std::logic_error("emulated CUDA: a wide load or store was not aligned");
}

void expect_aligned(const void* pointer, std::size_t bytes) {
  constexpr std::size_t kLargestAccess = 16;
  const auto address = reinterpret_cast<std::uintptr_t>(pointer);
  if (address % std::min(bytes, kLargestAccess) != 0) device.misaligned = true;
}

void expect_tile(const void* pointer, std::size_t row_bytes) {
  constexpr std::size_t kTileAlignment = 32, kRowAlignment = 16;
  if (reinterpret_cast<std::uintptr_t>(pointer) % kTileAlignment != 0 ||
      row_bytes % kRowAlignment != 0)
    device.misaligned = true;
}

char* shared_memory() {
  return reinterpret_cast<char*>(device.shared.data());
}

void barrier() {
  wait(Waits::kBarrier);
}

void warp_barrier() {
  wait(Waits::kWarpBarrier);
}

void exchange(void* value, std::size_t size, unsigned from) {
  if (size > kLargestValue) throw std::logic_error("emulated CUDA: too large for a shuffle");
  const std::size_t me = device.current;
  std::memcpy(device.threads[me].value, value, size);
  wait(Waits::kWarpRead);
  std::memcpy(value, device.threads[me / kWarp * kWarp + from].value, size);
  wait(Waits::kWarpLeave);
}

}  // namespace gpt::emulation

cudaError_t cudaGetLastError() {
  return std::exchange(gpt::emulation::device.last_error, cudaSuccess);
}

cudaError_t emulated_attribute() {
  if (!gpt::emulation::device.refuse_attributes) return cudaSuccess;
  return gpt::emulation::device.last_error = cudaErrorInvalidValue;
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int) {
  *value = 2;
  if (attribute == cudaDevAttrMaxSharedMemoryPerBlockOptin)
    *value = static_cast<int>(gpt::emulation::device.shared_limit);
  if (attribute == cudaDevAttrComputeCapabilityMajor) *value = 9;
  return cudaSuccess;
}
