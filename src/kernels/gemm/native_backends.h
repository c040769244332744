// The product sets that this build has.
#pragma once

#include "gpt/kernels/gemm/gemm_backend.h"

namespace gpt {

extern const ProductSet kProductAvx2, kProductAvx512, kProductAvx512Bf16, kProductAmx;

}  // namespace gpt
