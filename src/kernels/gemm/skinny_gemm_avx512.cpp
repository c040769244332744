#include "skinny_gemm_kernel.h"

namespace gpt {

void skinny_gemm_avx512(const SkinnyGemm& product, std::int64_t first, std::int64_t last) {
  SkinnyGemmKernel<16>::run(product, first, last);
}

}  // namespace gpt
