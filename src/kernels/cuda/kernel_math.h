// What the .cu files share: types, wide loads, sums over a warp.
#pragma once

#include <type_traits>

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include "launch.h"
#include "launch_kernel.h"

namespace gpt {

// Arithmetic and statistics of a storage type.
template <class T>
struct RealOf {
  using Type = float;
};
template <>
struct RealOf<double> {
  using Type = double;
};
template <class T>
using Real = typename RealOf<T>::Type;

// N neighbours that travel in one load or store; the address must be a multiple of their size.
template <class T, int N>
struct alignas(sizeof(T) * N) Pack {
  T value[N];
};

template <int N, class T>
__device__ inline Pack<T, N> load(const T* from) {
  GPT_EXPECT_ALIGNED(from, sizeof(Pack<T, N>));
  return *reinterpret_cast<const Pack<T, N>*>(from);
}
template <int N, class T>
__device__ inline void store(T* to, const Pack<T, N>& pack) {
  GPT_EXPECT_ALIGNED(to, sizeof(Pack<T, N>));
  *reinterpret_cast<Pack<T, N>*>(to) = pack;
}

// May packs be read from here? Null: nothing is.
template <class T, int N>
GPT_HOST_DEVICE inline bool aligned(const void* pointer) {
  return reinterpret_cast<std::uintptr_t>(pointer) % sizeof(Pack<T, N>) == 0;
}
template <class T, int N, class... Pointers>
GPT_HOST_DEVICE inline bool aligned(const void* pointer, Pointers... more) {
  return aligned<T, N>(pointer) && aligned<T, N>(more...);
}

// The same sum in every lane, and the same bits: xor partners add the same two numbers.
template <class T>
__device__ inline T warp_sum(T value) {
  for (int offset = 16; offset > 0; offset /= 2)
    value += __shfl_xor_sync(0xFFFFFFFFu, value, offset);
  return value;
}

// Calls `run` with a null pointer of the storage type that `type` names.
template <class Run>
int for_type(Float type, const Run& run) {
  switch (type) {
    case Float::kFloat32:
      return run(static_cast<float*>(nullptr));
    case Float::kFloat64:
      return run(static_cast<double*>(nullptr));
    case Float::kBFloat16:
      return run(static_cast<__nv_bfloat16*>(nullptr));
    case Float::kFloat16:
      return run(static_cast<__half*>(nullptr));
  }
  return cudaErrorInvalidValue;
}

// For kernels over parameters and residuals, which are never of half types.
template <class Run>
int for_real_type(Float type, const Run& run) {
  if (type == Float::kFloat32) return run(static_cast<float*>(nullptr));
  if (type == Float::kFloat64) return run(static_cast<double*>(nullptr));
  return cudaErrorInvalidValue;
}

// The type behind the pointer that for_type hands over.
#define GPT_POINTEE(null) std::remove_pointer_t<decltype(null)>

inline unsigned blocks_for(std::int64_t items, std::int64_t per_block, std::int64_t most) {
  const std::int64_t wanted = (items + per_block - 1) / per_block;
  return static_cast<unsigned>(wanted < most ? wanted : most);
}

}  // namespace gpt
