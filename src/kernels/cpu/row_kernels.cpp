#include "gpt/kernels/cpu/row_kernels.h"

#include <ATen/Version.h>

#include "gpt/device/cpu_features.h"

#include "row_kernels_table.h"

namespace gpt {

std::vector<const VectorKernels*> runnable_vector_kernels() {
  __builtin_cpu_init();
  std::vector<const VectorKernels*> list{&kVectorGeneric};
  if (has_avx2()) list.push_back(&kVectorAvx2);
  if (has_avx512()) list.push_back(&kVectorAvx512);
  if (list.back() == &kVectorAvx512 && __builtin_cpu_supports("avx512bf16"))
    list.push_back(&kVectorAvx512Bf16);
  return list;
}

const VectorKernels& vector_kernels() {
  static const VectorKernels& best = []() -> const VectorKernels& {
    std::vector<const VectorKernels*> sets = runnable_vector_kernels();
    // No wider than LibTorch's own loops, which ATEN_CPU_CAPABILITY narrows.
    if (!at::get_cpu_capability().starts_with("AVX512"))
      std::erase_if(sets, [](const VectorKernels* set) {
        return set == &kVectorAvx512 || set == &kVectorAvx512Bf16;
      });
    return *sets.back();
  }();
  return best;
}

}  // namespace gpt
