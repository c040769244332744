#include "support/instruction_sets.h"

#include "gpt/device/cpu_features.h"

namespace gpt {

// The library emulated_x86 of tests/CMakeLists.txt: gemm_*.cpp and row_kernels_*.cpp of
// src/kernels, with x86/immintrin.h and under these names.
extern const GemmBackend kEmulatedGemmAvx512, kEmulatedGemmAvx512Bf16, kEmulatedGemmAmx;
extern const RowKernels kEmulatedRowKernelsAvx512, kEmulatedRowKernelsAvx512Bf16;

namespace testing {

const bool kEmulatedInstructions = true;

std::vector<const GemmBackend*> gemm_ways() {
  if (!has_avx2()) return {};
  return {&kEmulatedGemmAvx512, &kEmulatedGemmAvx512Bf16, &kEmulatedGemmAmx};
}

std::vector<const RowKernels*> row_kernel_ways() {
  if (!has_avx2()) return {};
  return {&kEmulatedRowKernelsAvx512, &kEmulatedRowKernelsAvx512Bf16};
}

}  // namespace testing
}  // namespace gpt
