// The row-wise kernels of each instruction set that this build has, and how a source fills its own.
#pragma once

#include "gpt/kernels/cpu/row_kernels.h"

namespace gpt {

extern const RowKernels kRowKernelsGeneric;
extern const RowKernels kRowKernelsAvx2;
extern const RowKernels kRowKernelsAvx512;
extern const RowKernels kRowKernelsAvx512Bf16;

}  // namespace gpt

#define GPT_ROW_KERNELS(name)                                                              \
  {                                                                                        \
    name, GPT_ISA::norm, GPT_ISA::norm_backward, GPT_ISA::gelu, GPT_ISA::gelu_backward,    \
        GPT_ISA::softmax, GPT_ISA::softmax_backward, GPT_ISA::cross_entropy, GPT_ISA::add, \
        GPT_ISA::add_bf16, GPT_ISA::add3, GPT_ISA::to_operand, GPT_ISA::rows_to_operand,   \
        GPT_ISA::sum_of_squares, GPT_ISA::adamw                                            \
  }
