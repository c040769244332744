// The cards: which there are, what they can do, and on which one a thread works.
#include <cstring>

#include "parts.h"

using gpt::fake::current_card;
using gpt::fake::state;

namespace gpt::fake {

int& current_card() {
  static thread_local int card = 0;
  return card;
}

void open_context(int card) {
  const Lock lock(mutex());
  state().contexts.insert(card);
}

namespace {

int capability(int card) {
  return state().capabilities.at(static_cast<std::size_t>(card));
}

}  // namespace

// CUDA's programming guide, "Technical specifications per compute capability".
int shared_memory(int card) {
  switch (capability(card)) {
    case 75:
      return 64 << 10;
    case 80:
      return 163 << 10;
    case 86:
    case 89:
      return 99 << 10;
    default:
      return 227 << 10;
  }
}

}  // namespace gpt::fake

extern "C" {

cudaError_t cudaGetDeviceCount(int* count) {
  *count = static_cast<int>(state().capabilities.size());
  return cudaSuccess;
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* facts, int card) {
  *facts = {};
  const int capability = gpt::fake::capability(card);
  // Names that gpu_table() knows: the rates of others are measured.
  std::strcpy(facts->name, capability >= 90 ? "NVIDIA H100" : "NVIDIA GeForce RTX 3060");
  facts->major = capability / 10;
  facts->minor = capability % 10;
  facts->totalGlobalMem = state().card_bytes;
  facts->multiProcessorCount = 28;
  facts->warpSize = 32;
  facts->maxThreadsPerMultiProcessor = 1536;
  facts->maxThreadsPerBlock = 1024;
  facts->maxThreadsDim[0] = facts->maxThreadsDim[1] = 1024;
  facts->maxThreadsDim[2] = 64;
  facts->maxGridSize[0] = 2147483647;
  facts->maxGridSize[1] = facts->maxGridSize[2] = 65535;
  facts->sharedMemPerBlock = 48 << 10;
  facts->sharedMemPerBlockOptin = static_cast<std::size_t>(gpt::fake::shared_memory(card));
  facts->sharedMemPerMultiprocessor = facts->sharedMemPerBlockOptin + (1 << 10);
  facts->regsPerBlock = facts->regsPerMultiprocessor = 65536;
  facts->l2CacheSize = 3 << 20;
  facts->pciBusID = card + 1;
  facts->textureAlignment = 512;
  facts->unifiedAddressing = 1;
  facts->maxBlocksPerMultiProcessor = 16;
  return cudaSuccess;
}
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int card) {
  cudaDeviceProp facts;
  cudaGetDeviceProperties(&facts, card);
  switch (attribute) {
    case cudaDevAttrComputeCapabilityMajor:
      *value = facts.major;
      break;
    case cudaDevAttrComputeCapabilityMinor:
      *value = facts.minor;
      break;
    case cudaDevAttrMultiProcessorCount:
      *value = facts.multiProcessorCount;
      break;
    case cudaDevAttrMaxSharedMemoryPerBlock:
      *value = static_cast<int>(facts.sharedMemPerBlock);
      break;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin:
      *value = static_cast<int>(facts.sharedMemPerBlockOptin);
      break;
    case cudaDevAttrMaxSharedMemoryPerMultiprocessor:
      *value = static_cast<int>(facts.sharedMemPerMultiprocessor);
      break;
    case cudaDevAttrWarpSize:
      *value = facts.warpSize;
      break;
    case cudaDevAttrMaxThreadsPerBlock:
      *value = facts.maxThreadsPerBlock;
      break;
    case cudaDevAttrMaxThreadsPerMultiProcessor:
      *value = facts.maxThreadsPerMultiProcessor;
      break;
    case cudaDevAttrMaxGridDimX:
      *value = facts.maxGridSize[0];
      break;
    case cudaDevAttrMaxGridDimY:
    case cudaDevAttrMaxGridDimZ:
      *value = facts.maxGridSize[1];
      break;
    case cudaDevAttrClockRate:
      *value = 1'700'000;
      break;
    default:
      *value = 0;
  }
  return cudaSuccess;
}
cudaError_t cudaGetDevice(int* card) {
  *card = current_card();
  return cudaSuccess;
}
// CUDA 12 and later open the card's context here.
cudaError_t cudaSetDevice(int card) {
  if (card < 0 || card >= static_cast<int>(state().capabilities.size())) {
    gpt::fake::complain("cudaSetDevice: there is no such card");
    return cudaErrorInvalidDevice;
  }
  gpt::fake::open_context(card);
  current_card() = card;
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

}  // extern "C"
