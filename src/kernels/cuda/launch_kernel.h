// <<<>>>, dynamic shared memory and the rule for wide loads by name: the CPU emulation of
// tests/emulation, which compiles the .cu files as C++, has its own of both.
#pragma once

#include <cuda_runtime.h>

// A loop over what must stay in registers, where an array has to be indexed by constants; and one
// of which no more than so many rounds may be in flight, or there are too few registers.
#ifdef __CUDACC__
#define GPT_PRAGMA(text) _Pragma(#text)
#define GPT_UNROLL GPT_PRAGMA(unroll)
#define GPT_UNROLL_BY(rounds) GPT_PRAGMA(unroll rounds)
#else
#define GPT_UNROLL
#define GPT_UNROLL_BY(rounds)
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
