#include "skinny_gemm_kernel.h"

namespace gpt {

void thin_dot_avx2(const ThinProduct& product, std::int64_t first, std::int64_t last) {
  ThinDot<8>::run(product, first, last);
}

}  // namespace gpt
