#include "skinny_gemm_kernel.h"

namespace gpt {

void skinny_gemm_avx2(const SkinnyGemm& skinny, std::int64_t first, std::int64_t last) {
  SkinnyGemmKernel<8>::run(skinny, first, last);
}

}  // namespace gpt
