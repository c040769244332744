#include <c10/util/Exception.h>

#include "device_backend.h"

namespace gpt {

void add_cuda_facts(DeviceFacts&, int) {}

// The rest cannot be reached: without CUDA no device but the CPU is ever chosen.
void synchronize_cuda(int) {
  TORCH_CHECK(false, "this gpttrain was built without CUDA");
}
MemoryUse cuda_memory_use(int) {
  TORCH_CHECK(false, "this gpttrain was built without CUDA");
}
std::string cuda_device_name(int) {
  TORCH_CHECK(false, "this gpttrain was built without CUDA");
}

}  // namespace gpt
