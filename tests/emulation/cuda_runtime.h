// A block of CUDA threads on the CPU, so that tests run the very sources of src/kernels/cuda/*.cu:
// they are compiled as C++ with this folder before any CUDA toolkit. Threads are coroutines; a
// barrier or a shuffle hands over to the next one. Blocks run one after the other, in either order,
// and each finds its dynamic shared memory full of NaNs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <math.h>

struct dim3 {
  unsigned x = 1, y = 1, z = 1;
  dim3(unsigned x_, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};

using cudaStream_t = void*;
using cudaError_t = int;
constexpr cudaError_t cudaSuccess = 0, cudaErrorInvalidValue = 1;
enum cudaFuncAttribute { cudaFuncAttributeMaxDynamicSharedMemorySize };
enum cudaDeviceAttr {
  cudaDevAttrMaxSharedMemoryPerBlockOptin,
  cudaDevAttrMultiProcessorCount,
  cudaDevAttrComputeCapabilityMajor
};

#define __global__
#define __device__
#define __host__
#define __restrict__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __shared__ static

namespace gpt::emulation {

struct Place {
  dim3 block{0, 0, 0}, thread{0, 0, 0}, grid{1}, threads{1};
};
extern Place here;  // of the thread that runs now

enum class Order { kForward, kBackward };
// Of blocks, and of the threads between two barriers: what is right must not depend on it.
void set_order(Order order);
// What a device says of itself; tests make it small to reach the other branches.
void set_shared_memory(std::size_t bytes);
// Every cudaFuncSetAttribute fails, and leaves its error for cudaGetLastError.
void refuse_attributes(bool refuse);

struct Counts {
  std::int64_t launches = 0, threads = 0;
};
const Counts& counts();

void launch(dim3 grid, dim3 threads, std::size_t shared, const std::function<void()>& body);
char* shared_memory();
// A launch fails in which a load or store of up to 16 bytes is not at a multiple of its size.
void expect_aligned(const void* pointer, std::size_t bytes);
// So does one in which a tile is not where those of <mma.h> must be.
void expect_tile(const void* pointer, std::size_t row_bytes);
void barrier();
void warp_barrier();
// Every thread of the warp gives `size` bytes and gets those of lane `from`.
void exchange(void* value, std::size_t size, unsigned from);

}  // namespace gpt::emulation

#define blockIdx (::gpt::emulation::here.block)
#define threadIdx (::gpt::emulation::here.thread)
#define gridDim (::gpt::emulation::here.grid)
#define blockDim (::gpt::emulation::here.threads)

inline void __syncthreads() {
  ::gpt::emulation::barrier();
}

inline void __syncwarp() {
  ::gpt::emulation::warp_barrier();
}

inline unsigned emulated_lane() {
  const auto& place = ::gpt::emulation::here;
  return (place.thread.x + place.threads.x * place.thread.y) % 32;
}

template <class T>
T __shfl_xor_sync(unsigned, T value, int mask) {
  ::gpt::emulation::exchange(&value, sizeof value, emulated_lane() ^ static_cast<unsigned>(mask));
  return value;
}

inline int __any_sync(unsigned mask, int value) {
  int any = value != 0;
  for (int offset = 16; offset > 0; offset /= 2) any |= __shfl_xor_sync(mask, any, offset);
  return any;
}

using std::erf;
using std::exp;
using std::isfinite;
using std::log;
using std::sqrt;
using std::tanh;
inline float rsqrtf(float x) {
  return 1.0f / std::sqrt(x);
}
inline double rsqrt(double x) {
  return 1.0 / std::sqrt(x);
}

cudaError_t cudaGetLastError();
inline cudaError_t cudaGetDevice(int* device) {
  *device = 0;
  return cudaSuccess;
}
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device);
cudaError_t emulated_attribute();
template <class Kernel>
cudaError_t cudaFuncSetAttribute(Kernel, cudaFuncAttribute, int) {
  return emulated_attribute();
}

// src/kernels/cuda/launch_kernel.h takes this in place of <<<>>>.
#define GPT_EMULATED_LAUNCH(kernel, grid, threads, shared, stream, ...) \
  static_cast<void>(stream),                                            \
      ::gpt::emulation::launch(grid, threads, shared, [&] { kernel(__VA_ARGS__); })
#define GPT_EMULATED_EXPECT_ALIGNED(pointer, bytes) ::gpt::emulation::expect_aligned(pointer, bytes)
#define GPT_EMULATED_SHARED ::gpt::emulation::shared_memory()
