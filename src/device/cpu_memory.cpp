#include "gpt/device/cpu_memory.h"

#include <atomic>
#include <malloc.h>

#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <c10/core/impl/alloc_cpu.h>

namespace gpt {

namespace {

constexpr std::size_t kHeader = 64;  // keeps the tensor as aligned as c10's own

// Constant-initialised, so that tensors of other translation units may come and go before main()
// and after it.
std::atomic<std::uint64_t> now{0}, peak{0}, limit{0};
std::atomic<std::uint64_t> refused_bytes{0}, refused_at{0};
std::atomic<std::int64_t> allocations{0}, fail_first{0}, fail_last{0};

void raise_peak(std::uint64_t total) {
  std::uint64_t seen = peak.load(std::memory_order_relaxed);
  while (total > seen && !peak.compare_exchange_weak(seen, total, std::memory_order_relaxed)) {
  }
}

[[noreturn]] void refuse(std::uint64_t bytes, std::uint64_t in_use) {
  constexpr double kMiB = 1 << 20;
  refused_bytes.store(bytes, std::memory_order_relaxed);
  refused_at.store(in_use, std::memory_order_relaxed);
  c10::reportOutOfMemoryToProfiler(static_cast<std::int64_t>(bytes), in_use, 0, c10::kCPU);
  TORCH_CHECK_WITH(OutOfMemoryError, false, "the CPU's tensors hold ",
                   static_cast<double>(in_use) / kMiB, " MiB and ",
                   static_cast<double>(bytes) / kMiB, " MiB more were refused");
}

void count_in(std::uint64_t bytes) {
  const std::int64_t number = allocations.fetch_add(1, std::memory_order_relaxed) + 1;
  const std::uint64_t total = now.fetch_add(bytes, std::memory_order_relaxed) + bytes;
  const std::uint64_t most = limit.load(std::memory_order_relaxed);
  const bool planted = number >= fail_first.load(std::memory_order_relaxed) &&
                       number <= fail_last.load(std::memory_order_relaxed);
  if (planted || (most > 0 && total > most)) {
    now.fetch_sub(bytes, std::memory_order_relaxed);
    refuse(bytes, total - bytes);
  }
  raise_peak(total);
}

void count_out(std::uint64_t bytes) {
  now.fetch_sub(bytes, std::memory_order_relaxed);
}

void report(void* pointer, std::int64_t change) {
  if (c10::memoryProfilingEnabled())
    c10::reportMemoryUsageToProfiler(pointer, change, cpu_memory_now(), 0, c10::kCPU);
}

void release(void* pointer) {
  if (!pointer) return;
  auto* block = static_cast<std::byte*>(pointer) - kHeader;
  const auto bytes = *reinterpret_cast<const std::uint64_t*>(block);
  report(pointer, -static_cast<std::int64_t>(bytes));
  c10::free_cpu(block);
  count_out(cpu_block_bytes(bytes));
}

struct CountingAllocator final : c10::Allocator {
  c10::DataPtr allocate(std::size_t bytes) override {
    const c10::Device cpu(c10::kCPU);
    if (bytes == 0) return {nullptr, nullptr, &release, cpu};
    count_in(cpu_block_bytes(bytes));
    void* block = nullptr;
    try {
      block = c10::alloc_cpu(bytes + kHeader);
    } catch (const c10::Error&) {  // the system has no more; it says so in a type of its own
      count_out(cpu_block_bytes(bytes));
      refuse(cpu_block_bytes(bytes), cpu_memory_now());
    }
    *static_cast<std::uint64_t*>(block) = bytes;
    void* pointer = static_cast<std::byte*>(block) + kHeader;
    report(pointer, static_cast<std::int64_t>(bytes));
    return {pointer, pointer, &release, cpu};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &release; }
  void copy_data(void* to, const void* from, std::size_t count) const override {
    default_copy_data(to, from, count);
  }
};

}  // namespace

void install_cpu_memory() {
  // Never destroyed: static tensors may outlive everything here.
  static auto* const allocator = new CountingAllocator;
  if (c10::GetCPUAllocator() == allocator) return;
  c10::SetCPUAllocator(allocator, /*priority=*/255);
  // glibc maps a new block for every large tensor, and the kernel clears its pages each time: of a
  // small model's step a fifth. In the heap they stay; release_cached_memory gives them back.
  mallopt(M_MMAP_MAX, 0);
  mallopt(M_TRIM_THRESHOLD, -1);
}

void map_large_blocks() {
  constexpr int kBlock = 1 << 20, kMost = 1 << 16;
  mallopt(M_MMAP_MAX, kMost);
  mallopt(M_MMAP_THRESHOLD, kBlock);  // said, it no longer grows with the blocks that are freed
  mallopt(M_TRIM_THRESHOLD, kBlock);
}

std::uint64_t cpu_memory_now() {
  return now.load(std::memory_order_relaxed);
}
std::uint64_t cpu_memory_peak() {
  return peak.load(std::memory_order_relaxed);
}
void reset_cpu_memory_peak() {
  peak.store(cpu_memory_now(), std::memory_order_relaxed);
}

void set_cpu_memory_limit(std::uint64_t bytes) {
  install_cpu_memory();
  limit.store(bytes, std::memory_order_relaxed);
}
std::uint64_t cpu_memory_limit() {
  return limit.load(std::memory_order_relaxed);
}

std::int64_t cpu_allocations() {
  return allocations.load(std::memory_order_relaxed);
}

CpuRefusal last_cpu_refusal() {
  return {refused_bytes.load(std::memory_order_relaxed),
          refused_at.load(std::memory_order_relaxed)};
}

void fail_cpu_allocations(std::int64_t first, std::int64_t count) {
  const std::int64_t begin = first > 0 ? cpu_allocations() + first : 0;
  fail_first.store(begin, std::memory_order_relaxed);
  fail_last.store(first > 0 ? begin + count - 1 : 0, std::memory_order_relaxed);
}

}  // namespace gpt
