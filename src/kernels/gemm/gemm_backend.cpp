#include "gpt/kernels/gemm/gemm_backend.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <ATen/Version.h>

#include "gpt/device/cpu_features.h"

#include "native_backends.h"

namespace gpt {

namespace {

// Tiles are 8 KiB of state per thread, which Linux gives to those who ask (Documentation/arch/x86/
// xstate.rst); the answer holds for all threads.
bool tiles_granted() {
  constexpr long kRequest = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
  return syscall(SYS_arch_prctl, kRequest, kTileData) == 0;
}

// The best that this CPU can run and that is no wider than LibTorch's own loops, which
// ATEN_CPU_CAPABILITY narrows; null if there is none.
const ProductSet* best_set() {
  const std::string widest = at::get_cpu_capability();
  const ProductSet* best = nullptr;
  for (const ProductSet* set : runnable_product_sets())
    if (widest.starts_with("AVX512") || (widest == "AVX2" && set == &kProductAvx2)) best = set;
  return best;
}

}  // namespace

std::vector<const ProductSet*> runnable_product_sets() {
  __builtin_cpu_init();
  std::vector<const ProductSet*> list;
  if (has_avx2()) list.push_back(&kProductAvx2);
  if (!has_avx512()) return list;
  list.push_back(&kProductAvx512);
  if (__builtin_cpu_supports("avx512bf16")) list.push_back(&kProductAvx512Bf16);
  if (__builtin_cpu_supports("amx-bf16") && tiles_granted()) list.push_back(&kProductAmx);
  return list;
}

const ProductSet* set_that_pays(const ProductSet* best, bool intel) {
  return best == &kProductAmx || !intel ? best : nullptr;
}

const ProductSet* product_set() {
  static const ProductSet* const chosen = set_that_pays(best_set(), __builtin_cpu_is("intel"));
  return chosen;
}

std::string products_text() {
  const ProductSet* set = product_set();
  return set ? set->name : "MKL's";
}

}  // namespace gpt
