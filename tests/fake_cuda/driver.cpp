// libcuda.so.1: what LibTorch calls of it, besides memory (memory.cpp), and how it is found.
#include <dlfcn.h>

#include <cuda.h>

#include "parts.h"

namespace {

CUresult not_supported() {
  return CUDA_ERROR_NOT_SUPPORTED;
}

}  // namespace

extern "C" {

CUresult cuDevicePrimaryCtxGetState(CUdevice card, unsigned* flags, int* active) {
  const gpt::fake::Lock lock(gpt::fake::mutex());
  if (flags) *flags = 0;
  *active = static_cast<int>(gpt::fake::state().contexts.count(card));
  return CUDA_SUCCESS;
}
// Every thread is taken to have one once its card has: LibTorch asks before it takes a cuBLAS
// handle.
CUresult cuCtxGetCurrent(CUcontext* context) {
  static char one;
  const gpt::fake::Lock lock(gpt::fake::mutex());
  const bool there = gpt::fake::state().contexts.count(gpt::fake::current_card()) > 0;
  *context = there ? reinterpret_cast<CUcontext>(&one) : nullptr;
  return CUDA_SUCCESS;
}
CUresult cuDeviceGet(CUdevice* card, int index) {
  *card = index;
  return CUDA_SUCCESS;
}
CUresult cuDeviceGetAttribute(int* value, CUdevice_attribute, CUdevice) {
  *value = 0;
  return CUDA_SUCCESS;
}
CUresult cuGetErrorString(CUresult, const char** text) {
  *text = "an error of the stand-in for CUDA";
  return CUDA_SUCCESS;
}

cudaError_t cudaGetDriverEntryPointByVersion(const char* name, void** function, unsigned,
                                             unsigned long long,
                                             cudaDriverEntryPointQueryResult* result) {
  *function = dlsym(RTLD_DEFAULT, name);
  if (!*function) *function = reinterpret_cast<void*>(not_supported);
  if (result) *result = cudaDriverEntryPointSuccess;
  return cudaSuccess;
}

}  // extern "C"
