// What the parts of the stand-in share. All of it under one lock: nothing here is fast.
#pragma once

#include <mutex>
#include <string>

#include <cuda_runtime_api.h>

#include "fake_cuda.h"

namespace gpt::fake {

using Lock = std::lock_guard<std::recursive_mutex>;
std::recursive_mutex& mutex();

void count(const std::string& what);
long counted(const std::string& what);
// What CUDA would refuse, or do otherwise than it was meant. With a stack, the first few times.
void complain(const std::string& what);

int& current_card();  // of this thread
void open_context(int card);
int shared_memory(int card);  // that a block may have

// Device memory: the host that touches it at its address is stopped; `shadow` are the same bytes.
struct Block {
  int card;
  std::size_t bytes;
  char* shadow;
};
const Block* block_at(const void* address, const char** start = nullptr);
bool is_pinned(const void* address);
// Between any two kinds of memory, or into one.
void copy_bytes(void* to, const void* from, std::size_t bytes);
void fill_bytes(void* to, int value, std::size_t bytes);

cudaError_t noted(cudaError_t error);  // for cudaGetLastError
// `what` is queued on `stream`: an error while this thread records another.
cudaError_t use_stream(cudaStream_t stream, const std::string& what);
int card_of(cudaStream_t stream);
bool recording();                       // this thread records a graph
bool ends_recording(const char* what);  // and may not call `what` then

}  // namespace gpt::fake
