#include "gpt/device/memory.h"

#include <new>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "gpt/device/cpu_memory.h"

namespace gpt {
namespace {

const c10::Device kCpu(c10::kCPU);

TEST(DeviceMemory, SeesATensorComeAndItsPeakStay) {
  install_cpu_memory();
  constexpr std::uint64_t kBytes = 1 << 20;
  const std::uint64_t before = memory_use(kCpu).now;
  {
    const at::Tensor big = at::empty({kBytes}, at::kByte);
    EXPECT_EQ(memory_use(kCpu).now, before + cpu_block_bytes(kBytes));
  }
  EXPECT_EQ(memory_use(kCpu).now, before);
  EXPECT_GE(memory_use(kCpu).peak, before + kBytes);
  reset_peak_memory(kCpu);
  EXPECT_EQ(memory_use(kCpu).peak, before);
}

TEST(DeviceMemory, ARefusalNamesItsShortfall) {
  const std::uint64_t before = cpu_memory_now();
  limit_memory(kCpu, before + 4096);
  EXPECT_THROW(at::empty({8192}, at::kByte), c10::OutOfMemoryError);
  EXPECT_EQ(memory_shortfall(kCpu), cpu_block_bytes(8192) - 4096);
  limit_memory(kCpu, 0);
}

TEST(DeviceMemory, TheMachineHasSomeAndTheCpuNeverRetries) {
  EXPECT_GT(total_memory(kCpu), std::uint64_t{1} << 28);
  EXPECT_EQ(allocation_retries(kCpu), 0);
  EXPECT_NO_THROW(release_cached_memory(kCpu));
}

template <class Run>
bool memory_ran_out(const Run& run) {
  try {
    run();
  } catch (const std::exception& error) {
    return is_out_of_memory(error);
  }
  return false;
}

TEST(DeviceMemory, TellsOutOfMemoryFromOtherErrors) {
  install_cpu_memory();
  EXPECT_TRUE(memory_ran_out([] { at::empty({std::int64_t{1} << 60}, at::kByte); }));
  EXPECT_TRUE(memory_ran_out([] { throw std::bad_alloc(); }));
  EXPECT_TRUE(memory_ran_out([] { TORCH_CHECK(false, "CUDA error: out of memory"); }));
  EXPECT_TRUE(memory_ran_out([] {
    TORCH_CHECK(false, "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate`");
  }));
  EXPECT_FALSE(memory_ran_out([] { at::mm(at::ones({2, 3}), at::ones({2, 3})); }));
  EXPECT_FALSE(memory_ran_out([] { throw std::runtime_error("allocate memory"); }));
}

}  // namespace
}  // namespace gpt
