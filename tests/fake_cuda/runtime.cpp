// The functions of libcudart that the back ends and LibTorch's allocator, streams and events call.
#include <cstdlib>
#include <cstring>
#include <map>

#include <cuda_runtime_api.h>

#include "fake_cuda.h"

namespace gpt::fake {

State& state() {
  static State one;
  return one;
}

namespace {

thread_local int current = 0;
std::map<void*, std::pair<int, std::size_t>> blocks;

std::size_t free_bytes(int card) {
  std::size_t used = state().others_bytes;
  for (const auto& [pointer, block] : blocks)
    if (block.first == card) used += block.second;
  return kCardBytes > used ? kCardBytes - used : 0;
}

cudaStreamCaptureStatus capture_status() {
  return state().capturing ? cudaStreamCaptureStatusActive : cudaStreamCaptureStatusNone;
}

}  // namespace

}  // namespace gpt::fake

using gpt::fake::blocks;
using gpt::fake::current;

extern "C" {

cudaError_t cudaGetDeviceCount(int* count) {
  *count = 2;
  return cudaSuccess;
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* facts, int card) {
  *facts = {};
  std::strcpy(facts->name, card == gpt::fake::kHopper ? "fake Hopper" : "fake Ampere");
  facts->major = card == gpt::fake::kHopper ? 9 : 8;
  facts->minor = card == gpt::fake::kHopper ? 0 : 6;
  facts->totalGlobalMem = gpt::fake::kCardBytes;
  facts->multiProcessorCount = 100;
  facts->warpSize = 32;
  facts->maxThreadsPerMultiProcessor = 2048;
  return cudaSuccess;
}
cudaError_t cudaGetDevice(int* card) {
  *card = current;
  return cudaSuccess;
}
cudaError_t cudaSetDevice(int card) {
  current = card;
  gpt::fake::state().entered.insert(card);
  return cudaSuccess;
}
cudaError_t cudaMemGetInfo(std::size_t* free, std::size_t* total) {
  *total = gpt::fake::kCardBytes;
  *free = gpt::fake::free_bytes(current);
  return cudaSuccess;
}
cudaError_t cudaMalloc(void** pointer, std::size_t bytes) {
  if (bytes > gpt::fake::free_bytes(current)) return cudaErrorMemoryAllocation;
  *pointer = std::aligned_alloc(512, (bytes + 511) / 512 * 512);
  blocks[*pointer] = {current, bytes};
  return cudaSuccess;
}
cudaError_t cudaFree(void* pointer) {
  blocks.erase(pointer);
  std::free(pointer);
  return cudaSuccess;
}
cudaError_t cudaGetLastError() {
  return cudaSuccess;
}
cudaError_t cudaDriverGetVersion(int* version) {
  *version = 13000;
  return cudaSuccess;
}
cudaError_t cudaDeviceCanAccessPeer(int* can, int, int) {
  *can = 0;
  return cudaSuccess;
}
cudaError_t cudaThreadExchangeStreamCaptureMode(cudaStreamCaptureMode*) {
  return cudaSuccess;
}
cudaError_t cudaStreamIsCapturing(cudaStream_t, cudaStreamCaptureStatus* status) {
  *status = gpt::fake::capture_status();
  return cudaSuccess;
}
cudaError_t cudaStreamGetCaptureInfo(cudaStream_t, cudaStreamCaptureStatus* status,
                                     unsigned long long* id, cudaGraph_t*, const cudaGraphNode_t**,
                                     const cudaGraphEdgeData**, std::size_t*) {
  *status = gpt::fake::capture_status();
  if (id) *id = 1;
  return cudaSuccess;
}
cudaError_t cudaDeviceGetStreamPriorityRange(int* least, int* greatest) {
  *least = *greatest = 0;
  return cudaSuccess;
}
cudaError_t cudaDeviceSynchronize() {
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t) {
  return cudaSuccess;
}
cudaError_t cudaMemsetAsync(void*, int, std::size_t, cudaStream_t) {
  return cudaSuccess;
}
cudaError_t cudaLaunchKernel(const void*, dim3, dim3, void**, std::size_t, cudaStream_t) {
  return cudaSuccess;
}
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  *event = reinterpret_cast<cudaEvent_t>(std::malloc(1));
  return cudaSuccess;
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  std::free(event);
  return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t, cudaStream_t) {
  return cudaSuccess;
}
cudaError_t cudaEventRecordWithFlags(cudaEvent_t, cudaStream_t, unsigned) {
  return cudaSuccess;
}
cudaError_t cudaEventQuery(cudaEvent_t) {
  return cudaSuccess;
}
cudaError_t cudaEventSynchronize(cudaEvent_t) {
  return cudaSuccess;
}
// Of whatever was called last.
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t, cudaEvent_t) {
  *milliseconds = gpt::fake::state().milliseconds[gpt::fake::state().calls.back().algorithm];
  return cudaSuccess;
}

}  // extern "C"
