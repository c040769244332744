// Matmuls by cuBLASLt. One of matmul_cuda.cpp and matmul_nocuda.cpp is built.
#pragma once

#include <ATen/core/Tensor.h>

#include "gpt/kernels/ops/matmul_algorithms.h"

namespace gpt {

// Is this device and type cuBLASLt's? Asked before `out` is made.
bool multiplies(const at::Tensor& factor);

// By the algorithm that device_choices() names; without choices, by the fastest of its suggestions.
// False if cuBLASLt has no kernel for it, or is not to be used; then nothing was done.
bool multiply(const MatmulArgs& args);

}  // namespace gpt
