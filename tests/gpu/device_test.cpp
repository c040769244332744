#include "gpt/device/device.h"

#include "gpt/device/memory.h"
#include "gpt/kernels/gemm/peak_rate.h"

#include "gpu.h"

namespace gpt {
namespace {

using GpuDevice = testing::Gpu;

TEST_F(GpuDevice, FactsAreThoseOfTheDriver) {
  const DeviceFacts facts = device_facts();
  EXPECT_TRUE(facts.built_with_cuda);
  EXPECT_FALSE(facts.cuda_name.empty());
  // A product of a type that the GPU does not have would be refused here.
  const at::Tensor a = at::ones({16, 16}, at::TensorOptions().device(cuda_).dtype(at::kHalf));
  EXPECT_EQ(at::mm(a, a)[3][5].item<double>(), 16);
}

TEST_F(GpuDevice, PeakIsTheDataSheetsOrMeasured) {
  const PeakRate peak = peak_rate(cuda_, at::kHalf);
  EXPECT_GT(peak.flops, 1e12) << peak.source;
  EXPECT_LT(peak.flops, 1e16) << peak.source;
  EXPECT_GT(peak_rate(cuda_, at::kFloat).flops, 1e11);
  EXPECT_LT(memory_use(cuda_).now, std::uint64_t{128} << 20) << "a plan would miss it";
}

TEST_F(GpuDevice, MemoryUseSeesATensorComeAndItsPeakStay) {
  constexpr std::int64_t kBytes = std::int64_t{256} << 20;
  const std::uint64_t before = memory_use(cuda_).now;
  {
    const at::Tensor big = at::empty({kBytes}, at::TensorOptions().device(cuda_).dtype(at::kByte));
    EXPECT_GE(memory_use(cuda_).now + (64 << 20), before + kBytes);  // some may have been cached
  }
  EXPECT_GE(memory_use(cuda_).peak, static_cast<std::uint64_t>(kBytes));
}

// ctest gives each test a process of its own, in which nothing has touched the GPU yet.
TEST_F(GpuDevice, ALimitHoldsFromTheFirstTensorOn) {
  const auto make = [&](std::int64_t bytes) {
    return at::empty({bytes}, at::TensorOptions().device(cuda_).dtype(at::kByte));
  };
  limit_memory(cuda_, std::uint64_t{256} << 20);
  EXPECT_THROW(make(std::int64_t{512} << 20), c10::OutOfMemoryError);
  EXPECT_GT(memory_shortfall(cuda_), 0u);
  limit_memory(cuda_, 0);
  EXPECT_NO_THROW(make(std::int64_t{512} << 20));
}

TEST_F(GpuDevice, StatisticsAreThereBeforeTheFirstTensor) {
  EXPECT_GE(allocation_retries(cuda_), 0);
  EXPECT_NO_THROW(reset_peak_memory(cuda_));
  EXPECT_EQ(memory_use(cuda_).peak, memory_use(cuda_).now);
}

TEST_F(GpuDevice, WhatIsMissingUnderALimitIsCountedFromTheLimit) {
  constexpr std::int64_t kMebi = std::int64_t{1} << 20;
  const auto bytes = at::TensorOptions().device(cuda_).dtype(at::kByte);
  release_cached_memory(cuda_);
  limit_memory(cuda_, memory_use(cuda_).now + 64 * kMebi);
  EXPECT_THROW(at::empty({256 * kMebi}, bytes), c10::OutOfMemoryError);
  limit_memory(cuda_, 0);
  EXPECT_NEAR(static_cast<double>(memory_shortfall(cuda_)) / kMebi, 192, 4);
}

TEST_F(GpuDevice, SynchronizeWaitsForWhatIsQueued) {
  const at::Tensor a = at::ones({2048, 2048}, at::TensorOptions().device(cuda_));
  at::Tensor sum = at::zeros({}, at::TensorOptions().device(cuda_).dtype(at::kDouble));
  at::Tensor landed = at::zeros({}, at::TensorOptions().dtype(at::kDouble).pinned_memory(true));
  for (int i = 0; i < 20; ++i) sum += at::mm(a, a).sum(at::kDouble) / (2048.0 * 2048.0 * 2048.0);
  landed.copy_(sum, /*non_blocking=*/true);
  synchronize(cuda_);
  EXPECT_EQ(landed.item<double>(), 20);
}

}  // namespace
}  // namespace gpt
