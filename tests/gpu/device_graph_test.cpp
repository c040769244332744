#include "gpt/device/graph.h"
#include "gpt/device/memory.h"

#include "gpu.h"

namespace gpt {
namespace {

class GpuDeviceGraphs : public testing::Gpu {
 protected:
  at::TensorOptions floats() const { return at::TensorOptions().device(cuda_); }
};

// The second graph works in what the first one freed; each output is read before the next replay.
TEST_F(GpuDeviceGraphs, GraphsThatShareMemoryComputeEachTheirOwn) {
  const auto graphs = DeviceGraphs::make(cuda_);
  const at::Tensor input = at::ones({1 << 20}, floats());
  at::Tensor doubled, squared;
  const auto twice = graphs->capture([&] { doubled = (input + 1 + input) - 1; });
  const auto square = graphs->capture([&] { squared = (input + 3) * (input + 3); });
  for (int value = 0; value < 5; ++value) {
    at::Tensor(input).fill_(value);
    twice->replay();
    EXPECT_TRUE(at::equal(doubled.clone(), at::full_like(input, 2 * value)));
    square->replay();
    EXPECT_TRUE(at::equal(squared.clone(), at::full_like(input, (value + 3) * (value + 3))));
  }
}

// Reading a number waits for the device, which CUDA answers by breaking the capture. The allocator
// must leave it all the same, or it would not empty its cache any more.
TEST_F(GpuDeviceGraphs, ABrokenCaptureLeavesTheAllocatorAndItsNeighboursAlone) {
  const auto graphs = DeviceGraphs::make(cuda_);
  const at::Tensor input = at::ones({1 << 20}, floats());
  at::Tensor out;
  const auto good = graphs->capture([&] { out = input + 1; });
  for (int attempt = 0; attempt < 3; ++attempt) {
    EXPECT_THROW(graphs->capture([&] { (input * 2).sum().item<float>(); }), c10::Error);
    EXPECT_NO_THROW(release_cached_memory(cuda_));
  }
  good->replay();
  EXPECT_TRUE(at::equal(out.clone(), at::full_like(input, 2)));
  at::Tensor other;
  const auto more = graphs->capture([&] { other = input + 2; });
  more->replay();
  EXPECT_TRUE(at::equal(other.clone(), at::full_like(input, 3)));
}

// The first of all: no neighbour keeps the memory alive.
TEST_F(GpuDeviceGraphs, ABrokenFirstCaptureGivesItsMemoryBack) {
  release_cached_memory(cuda_);
  const std::uint64_t before = memory_use(cuda_).now;
  {
    const auto graphs = DeviceGraphs::make(cuda_);
    EXPECT_THROW(graphs->capture([&] { at::ones({64 << 20}, floats()).sum().item<float>(); }),
                 c10::Error);
  }
  EXPECT_NO_THROW(release_cached_memory(cuda_));
  EXPECT_LT(memory_use(cuda_).now, before + (128 << 20)) << "workspaces, but not the 256 MiB";
}

}  // namespace
}  // namespace gpt
