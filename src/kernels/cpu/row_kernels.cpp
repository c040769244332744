#include "gpt/kernels/cpu/row_kernels.h"

#include <ATen/Version.h>

#include "gpt/device/cpu_features.h"

#include "row_kernels_table.h"

namespace gpt {

std::vector<const RowKernels*> runnable_row_kernels() {
  __builtin_cpu_init();
  std::vector<const RowKernels*> list{&kRowKernelsGeneric};
  if (has_avx2()) list.push_back(&kRowKernelsAvx2);
  if (has_avx512()) list.push_back(&kRowKernelsAvx512);
  if (list.back() == &kRowKernelsAvx512 && __builtin_cpu_supports("avx512bf16"))
    list.push_back(&kRowKernelsAvx512Bf16);
  return list;
}

const RowKernels& row_kernels() {
  static const RowKernels& best = []() -> const RowKernels& {
    std::vector<const RowKernels*> sets = runnable_row_kernels();
    // No wider than LibTorch's own loops, which ATEN_CPU_CAPABILITY narrows.
    if (!at::get_cpu_capability().starts_with("AVX512"))
      std::erase_if(sets, [](const RowKernels* set) {
        return set == &kRowKernelsAvx512 || set == &kRowKernelsAvx512Bf16;
      });
    return *sets.back();
  }();
  return best;
}

}  // namespace gpt
