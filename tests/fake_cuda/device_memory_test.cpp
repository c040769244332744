// Each test has a process of its own (ALONE in tests/run_tests.py), in which nothing has touched a
// card yet.
#include <ATen/ATen.h>
#include <c10/core/Event.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <gtest/gtest.h>

#include "gpt/device/device.h"
#include "gpt/device/memory.h"

#include "device/device_backend.h"
#include "fake_cuda.h"
#include "parts.h"

namespace gpt {
namespace {

const c10::Device kCard(c10::kCUDA, 0);

at::Tensor block(std::int64_t mebi) {
  return at::empty({mebi << 20}, at::TensorOptions().device(kCard).dtype(at::kByte));
}

TEST(CudaDeviceMemory, ALimitHoldsFromTheFirstTensorOn) {
  limit_memory(kCard, std::uint64_t{256} << 20);
  EXPECT_THROW(block(512), c10::OutOfMemoryError);
  EXPECT_EQ(memory_shortfall(kCard), std::uint64_t{256} << 20);
  limit_memory(kCard, 0);
  EXPECT_NO_THROW(block(512));
}

TEST(CudaDeviceMemory, StatisticsAreThereBeforeTheFirstTensor) {
  EXPECT_EQ(memory_use(kCard).peak, 0u);
  EXPECT_EQ(allocation_retries(kCard), 0);
  EXPECT_NO_THROW(reset_peak_memory(kCard));
  const at::Tensor some = block(64);
  EXPECT_EQ(memory_use(kCard).tensors_peak, std::uint64_t{64} << 20);
}

TEST(CudaDeviceMemory, RoomIsWhatComesWithoutAFlush) {
  constexpr std::uint64_t kMebi = std::uint64_t{1} << 20;
  EXPECT_TRUE(cuda_fits_without_flush(0, 1024 * kMebi));
  EXPECT_FALSE(cuda_fits_without_flush(0, 5 * fake::kCardBytes / 4));
  limit_memory(kCard, 256 * kMebi);
  EXPECT_FALSE(cuda_fits_without_flush(0, 512 * kMebi));
  EXPECT_TRUE(cuda_fits_without_flush(0, 200 * kMebi));
  block(200);  // stays in the cache, and may be of no use to others
  EXPECT_FALSE(cuda_fits_without_flush(0, 200 * kMebi));
  limit_memory(kCard, 0);
  EXPECT_TRUE(cuda_fits_without_flush(0, 220 * kMebi));
  fake::state().others_bytes = fake::kCardBytes - fake::kContextBytes - 300 * kMebi;
  EXPECT_FALSE(cuda_fits_without_flush(0, 220 * kMebi));
  EXPECT_EQ(allocation_retries(kCard), 0);
}

TEST(CudaDeviceMemory, AHandledErrorIsForgotten) {
  fake::noted(cudaErrorInvalidValue);
  EXPECT_NE(cudaPeekAtLastError(), cudaSuccess);
  forget_error(c10::kCPU);
  EXPECT_NE(cudaPeekAtLastError(), cudaSuccess) << "there is none of the CPU's";
  forget_error(kCard);
  EXPECT_EQ(cudaPeekAtLastError(), cudaSuccess);
}

// To enter a card opens a context on it.
TEST(CudaDeviceMemory, TheFirstCardIsLeftAloneByARunOnTheSecond) {
  const c10::Device second(c10::kCUDA, 1);
  use_device(second);
  const at::Tensor some = at::empty({8}, at::TensorOptions().device(second));
  c10::Event event(c10::kCUDA);
  event.record(c10::impl::VirtualGuardImpl(c10::kCUDA).getStream(second));
  synchronize(second);
  free_memory(second);
  EXPECT_EQ(fake::state().contexts, std::set<int>{1});
}

}  // namespace
}  // namespace gpt
