// The memory of CPU tensors: counted, limited, and made to fail on request, so that everything that
// happens on a small GPU happens on a CPU as well. Tensors that exist before the installation are
// not counted. All functions are safe to call from any thread.
#pragma once

#include <cstddef>
#include <cstdint>

namespace gpt {

// What a tensor of `bytes` counts for: rounded up to the 64 bytes that ATen aligns to, plus a
// header of 64. Nothing for an empty tensor.
constexpr std::uint64_t cpu_block_bytes(std::uint64_t bytes) {
  constexpr std::uint64_t kAlignment = 64;
  return bytes == 0 ? 0 : (bytes + kAlignment - 1) / kAlignment * kAlignment + kAlignment;
}

// Makes the counting allocator c10's allocator of CPU tensors, and lets the heap keep what they
// free; once is enough.
void install_cpu_memory();

// From now on large blocks leave no gaps: each is mapped for itself, and goes back to the system
// when it is freed. Slower, as the kernel clears its pages each time; but the heap of a run whose
// tensors differ in size grows to half as much again as they take (eager engine, 300 MiB of
// tensors: the process took 879 MiB, and takes 355).
void map_large_blocks();

// Bytes of the tensors that live now, and the most since the start or the last reset.
std::uint64_t cpu_memory_now();
std::uint64_t cpu_memory_peak();
void reset_cpu_memory_peak();

// Installs, and refuses with c10::OutOfMemoryError whatever would bring the total above `bytes`;
// 0: no limit.
void set_cpu_memory_limit(std::uint64_t bytes);
std::uint64_t cpu_memory_limit();

// Allocations so far, refused ones included; empty tensors do not count.
std::int64_t cpu_allocations();

// The last refusal; all 0 if there was none.
struct CpuRefusal {
  std::uint64_t asked = 0;   // bytes
  std::uint64_t in_use = 0;  // bytes at that time
};
CpuRefusal last_cpu_refusal();

// For tests: refuses the `first`-th allocation from now (1: the next) and those after it, `count`
// in all. Ends when they have been refused, or with first = 0.
void fail_cpu_allocations(std::int64_t first, std::int64_t count = 1);

}  // namespace gpt
