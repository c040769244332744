#include "support/product_ways.h"

namespace gpt {

// tests/CMakeLists.txt compiles src/kernels/product_*.cpp once more, with x86/immintrin.h.
extern const ProductSet kEmulatedAvx512, kEmulatedAvx512Bf16, kEmulatedAmx;

namespace testing {

const bool kProductsEmulated = true;

std::vector<const ProductSet*> product_ways() {
  __builtin_cpu_init();
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return {};
  return {&kEmulatedAvx512, &kEmulatedAvx512Bf16, &kEmulatedAmx};
}

}  // namespace testing
}  // namespace gpt
