// What is queued on a stream: copies, which are made, and kernels, which are not.
#include "parts.h"

namespace gpt::fake {

namespace {

cudaError_t copied(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind,
                   cudaStream_t stream) {
  const Block *target = block_at(to), *source = block_at(from);
  const bool pageable = (!target && !is_pinned(to)) || (!source && !is_pinned(from));
  if (pageable) {
    count("pageable copy");
    ends_recording("pageable copy");
  } else {
    count("copy");
  }
  const bool to_card = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
  const bool from_card = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
  if (kind != cudaMemcpyDefault && (to_card != !!target || from_card != !!source))
    complain("copy: its direction is not that of its addresses");
  if (target && source && target->card != source->card) complain("copy between cards");
  // Nothing on a card was computed. Numbers that the host reads, not tensors, are 0 rather than
  // what was left in their place: a loss should be finite.
  constexpr std::size_t kNumbers = 64;
  if (source && !target && bytes <= kNumbers)
    fill_bytes(to, 0, bytes);
  else if (!target || !source)
    copy_bytes(to, from, bytes);
  return noted(use_stream(stream, "copy"));
}

cudaError_t launched(dim3 grid, dim3 block, std::size_t shared, cudaStream_t stream) {
  constexpr unsigned kMost = 65535, kThreads = 1024;
  count("kernel");
  if (state().fails == "everything") return noted(cudaErrorIllegalAddress);
  const unsigned threads = block.x * block.y * block.z;
  if (grid.x * grid.y * grid.z == 0 || grid.y > kMost || grid.z > kMost || threads == 0 ||
      threads > kThreads) {
    complain("kernel: no such grid or block");
    return noted(cudaErrorInvalidConfiguration);
  }
  if (shared > static_cast<std::size_t>(shared_memory(current_card()))) {
    complain("kernel: too much shared memory");
    return noted(cudaErrorInvalidValue);
  }
  return noted(use_stream(stream, "kernel"));
}

}  // namespace

}  // namespace gpt::fake

using namespace gpt::fake;  // what follows are all CUDA's names

extern "C" {

cudaError_t cudaMemsetAsync(void* pointer, int value, std::size_t bytes, cudaStream_t stream) {
  const Lock lock(mutex());
  const Block* block = block_at(pointer);
  if (block && block->card != card_of(stream)) complain("memset on another card's stream");
  fill_bytes(pointer, value, bytes);
  return noted(use_stream(stream, "memset"));
}
cudaError_t cudaMemset(void* pointer, int value, std::size_t bytes) {
  const Lock lock(mutex());
  fill_bytes(pointer, value, bytes);
  return cudaSuccess;
}
cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
  const Lock lock(mutex());
  return bytes == 0 ? cudaSuccess : copied(to, from, bytes, kind, stream);
}
cudaError_t cudaMemcpy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind) {
  const Lock lock(mutex());
  count("wait for a copy");
  return copied(to, from, bytes, kind, nullptr);
}
cudaError_t cudaMemcpyPeerAsync(void* to, int, const void* from, int, std::size_t bytes,
                                cudaStream_t) {
  const Lock lock(mutex());
  count("copy between cards");
  copy_bytes(to, from, bytes);
  return cudaSuccess;
}
cudaError_t cudaMemcpyToSymbol(const void*, const void*, std::size_t, std::size_t, cudaMemcpyKind) {
  return cudaSuccess;
}
cudaError_t cudaGetSymbolAddress(void** address, const void*) {
  static void* one = nullptr;
  if (!one) cudaMalloc(&one, 4096);
  *address = one;
  return cudaSuccess;
}

cudaError_t cudaLaunchKernel(const void*, dim3 grid, dim3 block, void**, std::size_t shared,
                             cudaStream_t stream) {
  return launched(grid, block, shared, stream);
}
cudaError_t cudaLaunchKernelExC(const cudaLaunchConfig_t* how, const void*, void**) {
  return launched(how->gridDim, how->blockDim, how->dynamicSmemBytes, how->stream);
}
// What nvcc makes of <<<>>>.
cudaError_t __cudaLaunchKernel(cudaKernel_t, dim3 grid, dim3 block, void**, std::size_t shared,
                               cudaStream_t stream);
cudaError_t __cudaLaunchKernel(cudaKernel_t, dim3 grid, dim3 block, void**, std::size_t shared,
                               cudaStream_t stream) {
  return launched(grid, block, shared, stream);
}
cudaError_t __cudaGetKernel(cudaKernel_t* kernel, const void* function);
cudaError_t __cudaGetKernel(cudaKernel_t* kernel, const void* function) {
  *kernel = reinterpret_cast<cudaKernel_t>(const_cast<void*>(function));
  return cudaSuccess;
}
cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* facts, const void*) {
  *facts = {};
  facts->ptxVersion = facts->binaryVersion =
      state().capabilities[static_cast<std::size_t>(current_card())];
  facts->maxThreadsPerBlock = 1024;
  facts->numRegs = 32;
  return cudaSuccess;
}
cudaError_t cudaFuncSetAttribute(const void*, cudaFuncAttribute, int) {
  return cudaSuccess;
}
cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int* blocks, const void*, int,
                                                                   std::size_t, unsigned) {
  *blocks = 2;
  return cudaSuccess;
}

}  // extern "C"
