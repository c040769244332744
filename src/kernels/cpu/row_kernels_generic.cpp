// The vector kernels for any CPU. Room.cmake gives this file its instructions.
#define GPT_ISA generic

#include "row_gelu.h"
#include "row_kernels_table.h"
#include "row_norm.h"
#include "row_softmax.h"
#include "row_sums.h"
#include "simd_generic.h"

namespace gpt {

const VectorKernels kVectorGeneric = GPT_VECTOR_KERNELS("generic");

}  // namespace gpt
