#include "skinny_gemm_kernel.h"

namespace gpt {

void skinny_gemm_avx2(const SkinnyGemm& product, std::int64_t first, std::int64_t last) {
  SkinnyGemmKernel<8>::run(product, first, last);
}

}  // namespace gpt
