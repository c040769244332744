#include <c10/util/Exception.h>

#include "gpt/kernels/device_graph.h"

namespace gpt {

bool DeviceGraph::supported(const c10::Device&) {
  return false;
}

std::unique_ptr<DeviceGraph> DeviceGraph::capture(const c10::Device&, std::function<void()>) {
  TORCH_CHECK(false, "this gpttrain was built without CUDA");
}

}  // namespace gpt
