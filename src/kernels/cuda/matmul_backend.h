// Matmuls by cuBLASLt. One of matmul_cuda.cpp and matmul_nocuda.cpp is built.
#pragma once

#include <ATen/core/Tensor.h>

namespace gpt {

// out = op(a) op(b) + bias, or out += op(a) op(b); all row-major, rows of neighbours that may lie
// apart.
struct MatmulArgs {
  at::Tensor a, b;
  bool transpose_a = false, transpose_b = false;
  at::Tensor out;
  at::Tensor bias = {};  // one per column of out, or undefined
  bool accumulate = false;
};

// Is this device and type cuBLASLt's? Asked before `out` is made.
bool multiplies(const at::Tensor& factor);

// False if cuBLASLt has no kernel for it; then nothing was done.
bool multiply(const MatmulArgs& args);

}  // namespace gpt
