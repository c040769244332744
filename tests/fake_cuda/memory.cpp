// Memory of cards and pinned memory of the host: cudaMalloc's, and what LibTorch's expandable
// segments ask of the driver.
#include <algorithm>
#include <cstdlib>
#include <map>
#include <sys/mman.h>
#include <unistd.h>

#include <cuda.h>

#include "parts.h"

namespace gpt::fake {

namespace {

constexpr std::size_t kPage = 4096;

// By address; for good, as all state is.
auto& blocks = *new std::map<const char*, Block>;
auto& pinned = *new std::map<const char*, std::size_t>;
auto& used = *new std::map<int, std::size_t>;

// Memory of a card that has no address yet.
struct Physical {
  int card, file;
  std::size_t bytes;
};

std::size_t free_bytes(int card) {
  const std::size_t taken = used[card] + state().others_bytes + kContextBytes;
  return state().card_bytes > taken ? state().card_bytes - taken : 0;
}

bool take(int card, std::size_t bytes) {
  if (bytes > free_bytes(card) || used[card] + bytes > state().refused_beyond) {
    count("allocations refused");
    return false;
  }
  used[card] += bytes;
  return true;
}

int file_of(std::size_t bytes) {
  const int file = memfd_create("card", 0);
  if (file < 0 || ftruncate(file, static_cast<off_t>(bytes)) != 0) std::abort();
  return file;
}

char* map(void* at, std::size_t bytes, int protection, int flags, int file) {
  void* address = mmap(at, bytes, protection, flags, file, 0);
  if (address == MAP_FAILED) std::abort();
  return static_cast<char*>(address);
}

// At `address`, or anywhere.
char* add_block(void* address, std::size_t bytes, int card, int file) {
  char* start = map(address, bytes, PROT_NONE, MAP_SHARED | (address ? MAP_FIXED : 0), file);
  blocks[start] = {card, bytes, map(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file)};
  return start;
}

char* reserve(void* at, std::size_t bytes) {
  return map(at, bytes, PROT_NONE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | (at ? MAP_FIXED : 0), -1);
}

// Where the host reaches what lies at `address`, of whatever kind, and how far that goes.
char* reachable(const void* address, std::size_t& bytes) {
  const char* start = nullptr;
  const Block* block = block_at(address, &start);
  if (!block) return const_cast<char*>(static_cast<const char*>(address));
  const auto offset = static_cast<std::size_t>(static_cast<const char*>(address) - start);
  bytes = std::min(bytes, block->bytes - offset);
  return block->shadow + offset;
}

template <class Size>
auto find_range(const std::map<const char*, Size>& ranges, const void* address) {
  auto after = ranges.upper_bound(static_cast<const char*>(address));
  return after == ranges.begin() ? ranges.end() : std::prev(after);
}

}  // namespace

const Block* block_at(const void* address, const char** start) {
  const Lock lock(mutex());
  const auto found = find_range(blocks, address);
  if (found == blocks.end() || address >= found->first + found->second.bytes) return nullptr;
  if (start) *start = found->first;
  return &found->second;
}

bool is_pinned(const void* address) {
  const Lock lock(mutex());
  const auto found = find_range(pinned, address);
  return found != pinned.end() && address < found->first + found->second;
}

void copy_bytes(void* to, const void* from, std::size_t bytes) {
  for (std::size_t done = 0; done < bytes;) {
    std::size_t piece = bytes - done;
    char* target = reachable(static_cast<char*>(to) + done, piece);
    const char* source = reachable(static_cast<const char*>(from) + done, piece);
    std::copy_n(source, piece, target);
    done += piece;
  }
}

void fill_bytes(void* to, int value, std::size_t bytes) {
  for (std::size_t done = 0; done < bytes;) {
    std::size_t piece = bytes - done;
    char* target = reachable(static_cast<char*>(to) + done, piece);
    std::fill_n(target, piece, static_cast<char>(value));
    done += piece;
  }
}

}  // namespace gpt::fake

using namespace gpt::fake;  // what follows are all CUDA's names

extern "C" {

cudaError_t cudaMemGetInfo(std::size_t* free, std::size_t* total) {
  const Lock lock(mutex());
  open_context(current_card());
  *total = state().card_bytes;
  *free = free_bytes(current_card());
  return cudaSuccess;
}
cudaError_t cudaMalloc(void** pointer, std::size_t bytes) {
  const Lock lock(mutex());
  open_context(current_card());
  bytes = (bytes + kPage - 1) / kPage * kPage;
  if (!take(current_card(), bytes)) return cudaErrorMemoryAllocation;
  const int file = file_of(bytes);
  *pointer = add_block(nullptr, bytes, current_card(), file);
  close(file);
  return cudaSuccess;
}
cudaError_t cudaFree(void* pointer) {
  const Lock lock(mutex());
  if (!pointer) return cudaSuccess;
  ends_recording("cudaFree");
  const auto found = blocks.find(static_cast<const char*>(pointer));
  if (found == blocks.end()) {
    complain("cudaFree of what was not allocated");
    return cudaErrorInvalidValue;
  }
  used[found->second.card] -= found->second.bytes;
  munmap(found->second.shadow, found->second.bytes);
  munmap(pointer, found->second.bytes);
  blocks.erase(found);
  return cudaSuccess;
}
cudaError_t cudaHostAlloc(void** pointer, std::size_t bytes, unsigned) {
  const Lock lock(mutex());
  open_context(current_card());
  ends_recording("cudaHostAlloc");
  *pointer = std::aligned_alloc(kPage, (bytes + kPage - 1) / kPage * kPage);
  pinned[static_cast<char*>(*pointer)] = bytes;
  return cudaSuccess;
}
cudaError_t cudaFreeHost(void* pointer) {
  const Lock lock(mutex());
  pinned.erase(static_cast<char*>(pointer));
  std::free(pointer);
  return cudaSuccess;
}
cudaError_t cudaHostRegister(void* pointer, std::size_t bytes, unsigned) {
  const Lock lock(mutex());
  open_context(current_card());
  if (bytes > state().pinned_at_most) return noted(cudaErrorNotSupported);
  pinned[static_cast<char*>(pointer)] = bytes;
  return cudaSuccess;
}
cudaError_t cudaHostUnregister(void* pointer) {
  const Lock lock(mutex());
  pinned.erase(static_cast<char*>(pointer));
  return cudaSuccess;
}
cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* facts, const void* pointer) {
  const Block* block = block_at(pointer);
  *facts = {};
  facts->type = block                ? cudaMemoryTypeDevice
                : is_pinned(pointer) ? cudaMemoryTypeHost
                                     : cudaMemoryTypeUnregistered;
  facts->device = block ? block->card : 0;
  facts->devicePointer = const_cast<void*>(pointer);
  facts->hostPointer = block ? nullptr : const_cast<void*>(pointer);
  return cudaSuccess;
}

CUresult cuMemAddressReserve(CUdeviceptr* address, std::size_t bytes, std::size_t, CUdeviceptr,
                             unsigned long long) {
  *address = reinterpret_cast<CUdeviceptr>(reserve(nullptr, bytes));
  return CUDA_SUCCESS;
}
CUresult cuMemAddressFree(CUdeviceptr address, std::size_t bytes) {
  munmap(reinterpret_cast<void*>(address), bytes);
  return CUDA_SUCCESS;
}
CUresult cuMemCreate(CUmemGenericAllocationHandle* handle, std::size_t bytes,
                     const CUmemAllocationProp* properties, unsigned long long) {
  const Lock lock(mutex());
  const int card = properties->location.id;
  if (properties->requestedHandleTypes == CU_MEM_HANDLE_TYPE_FABRIC)
    return CUDA_ERROR_NOT_SUPPORTED;
  if (state().fails == "expandable") return CUDA_ERROR_INVALID_VALUE;
  if (!take(card, bytes)) return CUDA_ERROR_OUT_OF_MEMORY;
  *handle = reinterpret_cast<CUmemGenericAllocationHandle>(
      new Physical{.card = card, .file = file_of(bytes), .bytes = bytes});
  return CUDA_SUCCESS;
}
CUresult cuMemRelease(CUmemGenericAllocationHandle handle) {
  const Lock lock(mutex());
  auto* memory = reinterpret_cast<Physical*>(handle);
  used[memory->card] -= memory->bytes;
  close(memory->file);
  delete memory;
  return CUDA_SUCCESS;
}
CUresult cuMemMap(CUdeviceptr address, std::size_t bytes, std::size_t,
                  CUmemGenericAllocationHandle handle, unsigned long long) {
  const Lock lock(mutex());
  const auto* memory = reinterpret_cast<Physical*>(handle);
  add_block(reinterpret_cast<void*>(address), bytes, memory->card, memory->file);
  return CUDA_SUCCESS;
}
CUresult cuMemUnmap(CUdeviceptr address, std::size_t bytes) {
  const Lock lock(mutex());
  ends_recording("cuMemUnmap");
  auto* start = reinterpret_cast<char*>(address);
  for (char* at = start; at < start + bytes;) {
    const auto found = blocks.find(at);
    if (found == blocks.end()) {
      complain("cuMemUnmap of what was not mapped");
      return CUDA_ERROR_INVALID_VALUE;
    }
    const std::size_t size = found->second.bytes;
    munmap(found->second.shadow, size);
    blocks.erase(found);
    at = reserve(at, size) + size;
  }
  return CUDA_SUCCESS;
}
CUresult cuMemSetAccess(CUdeviceptr, std::size_t, const CUmemAccessDesc*, std::size_t) {
  return CUDA_SUCCESS;
}
CUresult cuMemGetAllocationGranularity(std::size_t* bytes, const CUmemAllocationProp*,
                                       CUmemAllocationGranularity_flags) {
  *bytes = std::size_t{2} << 20;
  return CUDA_SUCCESS;
}

}  // extern "C"
