// A build without CUDA has no CUDA tensors, so these cannot be reached; they say so if they are.
#include <c10/util/Exception.h>

#include "cuda_kernels.h"

namespace gpt {

void cross_entropy_cuda(const CrossEntropyArgs&) {
  TORCH_CHECK(false, "this gpttrain was built without CUDA");
}

void dropout_cuda(const at::Tensor&, const at::Tensor&, const at::Tensor&, const DropoutStream&) {
  TORCH_CHECK(false, "this gpttrain was built without CUDA");
}

}  // namespace gpt
