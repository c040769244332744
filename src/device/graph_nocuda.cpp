#include <c10/util/Exception.h>

#include "gpt/device/graph.h"

namespace gpt {

bool DeviceGraphs::supported(const c10::Device&) {
  return false;
}

std::unique_ptr<DeviceGraphs> DeviceGraphs::make(const c10::Device&) {
  TORCH_CHECK(false, "this gpttrain was built without CUDA");
}

}  // namespace gpt
