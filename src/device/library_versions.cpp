#include "gpt/device/library_versions.h"

#include <cstddef>
#include <cstdint>
#include <dlfcn.h>

#include <ATen/Version.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <torch/version.h>

#include "gpt/base/strings.h"

namespace gpt {

namespace {

// A function of a library that is loaded already; nothing is loaded for the question.
template <class F>
F* loaded(const char* library, const char* symbol) {
  void* handle = dlopen(library, RTLD_NOW | RTLD_NOLOAD);
  if (!handle) return nullptr;
  const auto function = reinterpret_cast<F*>(dlsym(handle, symbol));
  dlclose(handle);  // its other users keep it
  return function;
}

// 91002 -> "9.10.2" (cuDNN 9), 130101 -> "13.1.1" (cuBLAS 13), 22703 -> "2.27.3" (NCCL).
std::string dotted(long version, long major, long minor) {
  return concat(version / major, ".", version % major / minor, ".", version % minor);
}

}  // namespace

std::string cuda_version_text(int version) {
  return concat(version / 1000, ".", version % 1000 / 10);
}

LibraryVersions library_versions() {
  LibraryVersions versions;
  versions.libtorch = TORCH_VERSION;
  versions.cpu_capability = at::get_cpu_capability();
  int number = 0;
  if (const auto of = loaded<int(int*)>("libcudart.so.13", "cudaRuntimeGetVersion"))
    if (of(&number) == 0) versions.cuda = cuda_version_text(number);
  if (const auto of = loaded<std::size_t()>("libcudnn.so.9", "cudnnGetVersion"))
    versions.cudnn = dotted(static_cast<long>(of()), 10000, 100);
  if (const auto of = loaded<std::size_t()>("libcublasLt.so.13", "cublasLtGetVersion"))
    versions.cublas = dotted(static_cast<long>(of()), 10000, 100);
  if (const auto of = loaded<int(int*)>("libnccl.so.2", "ncclGetVersion"))
    if (of(&number) == 0) versions.nccl = dotted(number, 10000, 100);
  // torch::cuda::nccl::version(), of a library that a CPU-only build does not link.
  if (const auto of =
          loaded<std::uint64_t()>("libtorch_cuda.so", "_ZN5torch4cuda4nccl7versionEv")) {
    const std::uint64_t packed = of();  // 16 bits of each part
    versions.nccl_compiled = concat(packed >> 32, ".", packed >> 16 & 0xffff, ".", packed & 0xffff);
  }
  if (const auto& hooks = at::detail::getCUDAHooks(); hooks.hasCuDNN())
    versions.cudnn_compiled = dotted(hooks.versionCuDNN(), 10000, 100);
  return versions;
}

}  // namespace gpt
