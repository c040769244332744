// What *_cuda.cpp provides, and nocuda.cpp refuses in builds without CUDA.
#pragma once

#include <ATen/core/Tensor.h>

#include "gpt/kernels/cross_entropy.h"

#include "dropout_mask.h"

namespace gpt {

void cross_entropy_cuda(const CrossEntropyArgs& args);
void dropout_cuda(const at::Tensor& in, const at::Tensor& out, const at::Tensor& sequence_B,
                  const DropoutStream& stream);

}  // namespace gpt
