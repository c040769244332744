// The sets of vector kernels that this build has, and how a source fills its own.
#pragma once

#include "gpt/kernels/cpu/row_kernels.h"

namespace gpt {

extern const VectorKernels kVectorGeneric;
extern const VectorKernels kVectorAvx2;
extern const VectorKernels kVectorAvx512;
extern const VectorKernels kVectorAvx512Bf16;

}  // namespace gpt

#define GPT_VECTOR_KERNELS(name)                                                           \
  {                                                                                        \
    name, GPT_ISA::norm, GPT_ISA::norm_backward, GPT_ISA::gelu, GPT_ISA::gelu_backward,    \
        GPT_ISA::softmax, GPT_ISA::softmax_backward, GPT_ISA::cross_entropy, GPT_ISA::add, \
        GPT_ISA::add_bf16, GPT_ISA::add3, GPT_ISA::to_operand, GPT_ISA::rows_to_operand,   \
        GPT_ISA::sum_of_squares, GPT_ISA::adamw                                            \
  }
