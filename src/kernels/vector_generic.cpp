// The vector kernels for any CPU. Room.cmake gives this file its instructions.
#define GPT_ISA generic

#include "lanes_generic.h"
#include "vector_gelu.h"
#include "vector_norm.h"
#include "vector_softmax.h"
#include "vector_sums.h"
#include "vector_table.h"

namespace gpt {

const VectorKernels kVectorGeneric = GPT_VECTOR_KERNELS("generic");

}  // namespace gpt
