// NCCL: communicators that know their place, and collectives that move nothing. What they were
// called with, in their order, goes to the file FAKE_CUDA_NCCL.RANK, a line each.
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <nccl.h>

#include "parts.h"

namespace {

using gpt::fake::Block;

struct Communicator {
  int rank, size, card;
};

Communicator* of(ncclComm_t communicator) {
  return reinterpret_cast<Communicator*>(communicator);
}

std::size_t bytes_of(ncclDataType_t type) {
  switch (type) {
    case ncclFloat64:
    case ncclInt64:
    case ncclUint64:
      return 8;
    case ncclFloat32:
    case ncclInt32:
    case ncclUint32:
      return 4;
    case ncclFloat16:
    case ncclBfloat16:
      return 2;
    default:
      return 1;
  }
}

const char* name_of(ncclDataType_t type) {
  return type == ncclFloat32 ? "float32" : type == ncclFloat64 ? "float64" : "other";
}

// Expandable segments are many blocks in a row.
void require_buffer(const Communicator& communicator, const void* buffer, std::size_t bytes) {
  for (const char *address = static_cast<const char*>(buffer), *end = address + bytes;
       address < end;) {
    const char* start = nullptr;
    const Block* block = gpt::fake::block_at(address, &start);
    if (!block) return gpt::fake::complain("NCCL got a buffer that is no device memory");
    if (block->card != communicator.card)
      return gpt::fake::complain("NCCL got a buffer of another card");
    address = start + block->bytes;
  }
}

ncclResult_t collective(const char* what, const void* from, void* to, std::size_t count,
                        ncclDataType_t type, int root, ncclComm_t communicator,
                        cudaStream_t stream) {
  const gpt::fake::Lock lock(gpt::fake::mutex());
  const Communicator& here = *of(communicator);
  gpt::fake::count(std::string("NCCL ") + what);
  if (from != to) gpt::fake::complain("NCCL does not work in place");
  require_buffer(here, to, count * bytes_of(type));
  if (gpt::fake::card_of(stream) != here.card)
    gpt::fake::complain("NCCL got a stream of another card");
  if (const char* path = std::getenv("FAKE_CUDA_NCCL")) {
    std::ofstream file(std::string(path) + "." + std::to_string(here.rank), std::ios::app);
    file << what << ' ' << count << ' ' << name_of(type) << ' ' << root << ' '
         << gpt::fake::counted("kernel") << '\n';
  }
  return gpt::fake::use_stream(stream, what) == cudaSuccess ? ncclSuccess : ncclUnhandledCudaError;
}

ncclResult_t begin(ncclComm_t* communicator, int size, int rank) {
  *communicator = reinterpret_cast<ncclComm_t>(
      new Communicator{rank, size, gpt::fake::current_card()});  // for good, like NCCL's threads
  gpt::fake::count("NCCL communicator");
  return ncclSuccess;
}

}  // namespace

extern "C" {

ncclResult_t ncclGetVersion(int* version) {
  *version = NCCL_VERSION_CODE;
  return ncclSuccess;
}
ncclResult_t ncclGetUniqueId(ncclUniqueId* id) {
  std::memset(id, 7, sizeof *id);
  return ncclSuccess;
}
ncclResult_t ncclCommInitRank(ncclComm_t* communicator, int size, ncclUniqueId, int rank) {
  return begin(communicator, size, rank);
}
ncclResult_t ncclCommInitRankConfig(ncclComm_t* communicator, int size, ncclUniqueId, int rank,
                                    ncclConfig_t*) {
  return begin(communicator, size, rank);
}
ncclResult_t ncclCommFinalize(ncclComm_t) {
  return ncclSuccess;
}
ncclResult_t ncclCommDestroy(ncclComm_t) {
  return ncclSuccess;
}
ncclResult_t ncclCommAbort(ncclComm_t) {
  return ncclSuccess;
}
ncclResult_t ncclCommGetAsyncError(ncclComm_t, ncclResult_t* error) {
  *error = ncclSuccess;
  return ncclSuccess;
}
ncclResult_t ncclCommCount(const ncclComm_t communicator, int* count) {
  *count = of(communicator)->size;
  return ncclSuccess;
}
ncclResult_t ncclCommUserRank(const ncclComm_t communicator, int* rank) {
  *rank = of(communicator)->rank;
  return ncclSuccess;
}
const char* ncclGetErrorString(ncclResult_t result) {
  return result == ncclSuccess ? "no error" : "an error of the stand-in";
}
const char* ncclGetLastError(ncclComm_t) {
  return "";
}
ncclResult_t ncclGroupStart() {
  return ncclSuccess;
}
ncclResult_t ncclGroupEnd() {
  return ncclSuccess;
}
ncclResult_t ncclAllReduce(const void* from, void* to, size_t count, ncclDataType_t type,
                           ncclRedOp_t operation, ncclComm_t communicator, cudaStream_t stream) {
  if (operation != ncclSum) gpt::fake::complain("NCCL adds up nothing");
  return collective("allreduce", from, to, count, type, -1, communicator, stream);
}
ncclResult_t ncclReduce(const void* from, void* to, size_t count, ncclDataType_t type,
                        ncclRedOp_t operation, int root, ncclComm_t communicator,
                        cudaStream_t stream) {
  if (operation != ncclSum) gpt::fake::complain("NCCL adds up nothing");
  return collective("reduce", from, to, count, type, root, communicator, stream);
}
ncclResult_t ncclBroadcast(const void* from, void* to, size_t count, ncclDataType_t type, int root,
                           ncclComm_t communicator, cudaStream_t stream) {
  return collective("broadcast", from, to, count, type, root, communicator, stream);
}
ncclResult_t ncclBcast(void* buffer, size_t count, ncclDataType_t type, int root,
                       ncclComm_t communicator, cudaStream_t stream) {
  return collective("broadcast", buffer, buffer, count, type, root, communicator, stream);
}

}  // extern "C"
