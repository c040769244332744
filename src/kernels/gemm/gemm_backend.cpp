#include "gpt/kernels/gemm/gemm_backend.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <ATen/Version.h>

#include "gpt/device/cpu_features.h"

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
const GemmBackend* best_backend() {
  const std::string widest = at::get_cpu_capability();
  const GemmBackend* best = nullptr;
  for (const GemmBackend* backend : runnable_gemm_backends())
    if (widest.starts_with("AVX512") || (widest == "AVX2" && backend == &kGemmAvx2)) best = backend;
  return best;
}

}  // namespace

std::vector<const GemmBackend*> runnable_gemm_backends() {
  __builtin_cpu_init();
  std::vector<const GemmBackend*> list;
  if (has_avx2()) list.push_back(&kGemmAvx2);
  if (!has_avx512()) return list;
  list.push_back(&kGemmAvx512);
  if (__builtin_cpu_supports("avx512bf16")) list.push_back(&kGemmAvx512Bf16);
  if (__builtin_cpu_supports("amx-bf16") && tiles_granted()) list.push_back(&kGemmAmx);
  return list;
}

const GemmBackend* preferred_backend(const GemmBackend* best, bool intel) {
  return best == &kGemmAmx || !intel ? best : nullptr;
}

const GemmBackend* gemm_backend() {
  static const GemmBackend* const chosen =
      preferred_backend(best_backend(), __builtin_cpu_is("intel"));
  return chosen;
}

std::string gemm_backend_name() {
  const GemmBackend* backend = gemm_backend();
  return backend ? backend->name : "MKL's";
}

}  // namespace gpt
