#include "skinny_gemm_kernel.h"

namespace gpt {

void skinny_gemm_avx512(const SkinnyGemm& skinny, std::int64_t first, std::int64_t last) {
  SkinnyGemmKernel<16>::run(skinny, first, last);
}

}  // namespace gpt
