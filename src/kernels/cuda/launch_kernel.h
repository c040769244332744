// <<<>>>, dynamic shared memory and the rule for wide loads by name: the CPU emulation of
// tests/emulation, which compiles the .cu files as C++, has its own of both.
#pragma once

#include <cuda_runtime.h>

// A loop over what must stay in registers: an array has to be indexed by constants for that.
#ifdef __CUDACC__
#define GPT_UNROLL _Pragma("unroll")
#else
#define GPT_UNROLL
#endif

#ifdef GPT_EMULATED_LAUNCH
#define GPT_LAUNCH(kernel, grid, threads, shared, stream, ...) \
  GPT_EMULATED_LAUNCH(kernel, grid, threads, shared, stream, __VA_ARGS__)
#define GPT_SHARED(T, name) T* name = reinterpret_cast<T*>(GPT_EMULATED_SHARED)
#define GPT_EXPECT_ALIGNED(pointer, bytes) GPT_EMULATED_EXPECT_ALIGNED(pointer, bytes)
#else
#define GPT_EXPECT_ALIGNED(pointer, bytes)
#define GPT_LAUNCH(kernel, grid, threads, shared, stream, ...) \
  kernel<<<grid, threads, shared, stream>>>(__VA_ARGS__)
#define GPT_SHARED(T, name)                                 \
  extern __shared__ __align__(128) char gpt_shared_bytes[]; \
  T* name = reinterpret_cast<T*>(gpt_shared_bytes)
#endif
