#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include "gpt/kernels/device_graph.h"

namespace gpt {

namespace {

class CudaGraph : public DeviceGraph {
 public:
  CudaGraph(const c10::Device& device, const std::function<void()>& run) : device_(device) {
    const c10::cuda::CUDAGuard guard(device);
    const auto stream = c10::cuda::getStreamFromPool(/*isHighPriority=*/false, device.index());
    c10::cuda::device_synchronize();  // the recorded work must find what came before it done
    const c10::cuda::CUDAStreamGuard on_stream(stream);
    // Thread-local: the thread that copies batches may go on meanwhile.
    graph_.capture_begin({0, 0}, cudaStreamCaptureModeThreadLocal);
    try {
      run();
    } catch (...) {
      try {
        graph_.capture_end();
      } catch (const c10::Error&) {  // the capture was broken; the first error says why
      }
      throw;
    }
    graph_.capture_end();
  }

  void replay() override {
    const c10::cuda::CUDAGuard guard(device_);
    graph_.replay();
  }

 private:
  c10::Device device_;
  at::cuda::CUDAGraph graph_;
};

}  // namespace

bool DeviceGraph::supported(const c10::Device& device) {
  return device.is_cuda();
}

std::unique_ptr<DeviceGraph> DeviceGraph::capture(const c10::Device& device,
                                                  std::function<void()> run) {
  return std::make_unique<CudaGraph>(device, run);
}

}  // namespace gpt
