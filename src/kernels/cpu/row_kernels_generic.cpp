// The row-wise kernels for any CPU. Module.cmake gives this file its instructions.
#define GPT_ISA generic
#define GPT_SIMD "simd_generic.h"

#include "row_elementwise.h"
#include "row_gelu.h"
#include "row_kernels_table.h"
#include "row_norm.h"
#include "row_softmax.h"

namespace gpt {

const RowKernels kRowKernelsGeneric = GPT_ROW_KERNELS("generic");

}  // namespace gpt
