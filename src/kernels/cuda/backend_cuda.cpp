#include <ATen/cuda/CUDAContext.h>
#include <c10/cuda/CUDAGuard.h>

#include "gpt/kernels/device_choices.h"

#include "backend.h"

namespace gpt {

bool has_kernels(const at::Tensor& tensor) {
  return tensor.is_cuda() && own_kernels_allowed();
}

void run_kernel(const at::Tensor& tensor, c10::function_ref<int(void* stream)> launch) {
  const c10::cuda::CUDAGuard guard(tensor.device());
  C10_CUDA_CHECK(static_cast<cudaError_t>(launch(at::cuda::getCurrentCUDAStream())));
}

}  // namespace gpt
