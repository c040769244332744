// Which tensors the launch functions of launch.h can work on, and how they are called. One of
// backend_cuda.cpp and backend_nocuda.cpp is built; tests bring a third, which runs the kernels'
// sources on CPU tensors.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/util/FunctionRef.h>

#include "launch.h"

namespace gpt {

bool has_kernels(const at::Tensor& tensor);

// Calls `launch` with the current stream of the tensor's device; throws for what it reports.
void run_kernel(const at::Tensor& tensor, c10::function_ref<int(void* stream)> launch);

// The launch functions' word for a floating type.
Float float_type(at::ScalarType type);

// The type of statistics, residuals and parameters where activations are of `type`: float32, or
// float64.
inline at::ScalarType real_type(at::ScalarType type) {
  return type == at::kDouble ? at::kDouble : at::kFloat;
}

// Pointers of optional tensors.
inline const void* pointer(const at::Tensor& tensor) {
  return tensor.defined() ? tensor.const_data_ptr() : nullptr;
}
inline void* mutable_pointer(const at::Tensor& tensor) {
  return tensor.defined() ? tensor.mutable_data_ptr() : nullptr;
}

}  // namespace gpt
