#include <map>
#include <mutex>

#include <ATen/core/CachingHostAllocator.h>
#include <ATen/cuda/CUDAContext.h>
#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include "gpt/device/graph.h"

namespace gpt {

namespace {

namespace allocator = c10::cuda::CUDACachingAllocator;

// One for each card, for good: cuBLAS keeps a workspace for every stream that it has seen, and a
// stream of LibTorch's pool may be somebody else's, too.
c10::cuda::CUDAStream capture_stream(const c10::Device& device) {
  static std::mutex mutex;
  static std::map<c10::DeviceIndex, c10::cuda::CUDAStream> streams;
  const std::scoped_lock lock(mutex);
  const auto found = streams.find(device.index());
  if (found != streams.end()) return found->second;
  cudaStream_t made = nullptr;
  C10_CUDA_CHECK(cudaStreamCreateWithFlags(&made, cudaStreamNonBlocking));
  return streams.emplace(device.index(), c10::cuda::getStreamFromExternal(made, device.index()))
      .first->second;
}

// Those of ATen's matmuls (float32, written-out scores; those of matmul_cuda.cpp have their own).
// Outside a capture, so that they are not part of the graphs' memory, which goes while they stay.
void make_workspaces() {
  at::cuda::getCurrentCUDABlasHandle();
  at::cuda::getCUDABlasLtWorkspace();
}

// CUDAGraph's end of a capture throws before it tells the allocators when CUDA calls the capture
// broken; they would stay in it, and refuse to empty their caches.
void give_up(at::cuda::CUDAGraph& graph, c10::DeviceIndex device, const c10::MempoolId_t& pool) {
  const auto attempt = [](const auto& step) {
    try {
      step();
      return true;
    } catch (const std::exception&) {  // it had been done
      return false;
    }
  };
  if (attempt([&] { graph.pool(); })) return;  // ended well: the destructor does the rest
  auto* host = at::getHostAllocator(at::kCUDA);
  attempt([&] { allocator::endAllocateToPool(device, pool); });
  attempt([&] { allocator::releasePool(device, pool); });
  attempt([&] { host->end_allocate_to_pool(pool); });
  attempt([&] { host->release_pool(pool); });
}

class CudaGraph : public DeviceGraph {
 public:
  CudaGraph(const c10::Device& device, const c10::MempoolId_t& pool,
            const std::function<void()>& run)
      : device_(device) {
    const c10::cuda::CUDAGuard guard(device);
    c10::cuda::device_synchronize();  // the recorded work must find what came before it done
    const c10::cuda::CUDAStreamGuard on_stream(capture_stream(device));
    make_workspaces();
    try {
      // Thread-local: the thread that copies batches may continue meanwhile.
      graph_.capture_begin(pool, cudaStreamCaptureModeThreadLocal);
      record(run);
      graph_.capture_end();
    } catch (...) {
      give_up(graph_, device.index(), pool);
      throw;
    }
  }

  // The allocator waits for the stream of the capture alone before it unmaps memory, and replays
  // run elsewhere.
  ~CudaGraph() override {
    const c10::cuda::CUDAGuard guard(device_);
    C10_CUDA_CHECK_WARN(cudaDeviceSynchronize());
  }

  void replay() override {
    const c10::cuda::CUDAGuard guard(device_);
    graph_.replay();
  }

 private:
  void record(const std::function<void()>& run) {
    try {
      run();
    } catch (...) {
      try {
        graph_.capture_end();
      } catch (const c10::Error&) {  // the capture was broken; the first error says why
      }
      throw;
    }
  }

  c10::Device device_;
  at::cuda::CUDAGraph graph_;
};

class CudaGraphs : public DeviceGraphs {
 public:
  explicit CudaGraphs(const c10::Device& device) : device_(device) {}

  std::unique_ptr<DeviceGraph> capture(const std::function<void()>& run) override {
    return std::make_unique<CudaGraph>(device_, pool_, run);
  }

 private:
  c10::Device device_;
  c10::MempoolId_t pool_ = at::cuda::graph_pool_handle();
};

}  // namespace

bool DeviceGraphs::supported(const c10::Device& device) {
  return device.is_cuda();
}

std::unique_ptr<DeviceGraphs> DeviceGraphs::make(const c10::Device& device) {
  return std::make_unique<CudaGraphs>(device);
}

}  // namespace gpt
