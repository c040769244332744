#include "skinny_gemm_kernel.h"

namespace gpt {

void thin_dot_avx512(const ThinProduct& product, std::int64_t first, std::int64_t last) {
  ThinDot<16>::run(product, first, last);
}

}  // namespace gpt
