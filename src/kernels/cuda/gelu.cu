// 16 bytes a thread and turn, where they may be read at once: read once, write once.
#include "gelu_math.h"
#include "kernel_math.h"

namespace gpt {

namespace {

constexpr int kThreads = 256;

// `up` is not read in the forward pass.
template <bool kTanh, bool kBackward, class T>
__device__ T gelu_of(T x, T up) {
  const auto real = static_cast<Real<T>>(x);
  if (kBackward) return static_cast<T>(static_cast<Real<T>>(up) * gelu_slope(real, kTanh));
  return static_cast<T>(gelu_value(real, kTanh));
}

template <bool kTanh, bool kBackward, class T>
__global__ void __launch_bounds__(kThreads)
    gelu_packs(const T* in, const T* up, T* out, std::int64_t count, std::int64_t whole) {
  constexpr int kWide = 16 / sizeof(T);
  const std::int64_t me = blockIdx.x * static_cast<std::int64_t>(kThreads) + threadIdx.x;
  const std::int64_t step = static_cast<std::int64_t>(gridDim.x) * kThreads;
  for (std::int64_t i = me; i < whole; i += step) {
    const Pack<T, kWide> x = load<kWide>(in + i * kWide);
    Pack<T, kWide> result{};
    if (kBackward) result = load<kWide>(up + i * kWide);
    for (int k = 0; k < kWide; ++k)
      result.value[k] = gelu_of<kTanh, kBackward>(x.value[k], result.value[k]);
    store(out + i * kWide, result);
  }
  for (std::int64_t i = whole * kWide + me; i < count; i += step)
    out[i] = gelu_of<kTanh, kBackward>(in[i], kBackward ? up[i] : in[i]);
}

template <class T>
int launch(const GeluLaunch& args, cudaStream_t stream) {
  const auto kernel = args.up
                          ? (args.tanh ? gelu_packs<true, true, T> : gelu_packs<false, true, T>)
                          : (args.tanh ? gelu_packs<true, false, T> : gelu_packs<false, false, T>);
  constexpr int kWide = 16 / sizeof(T);
  const std::int64_t whole = aligned<T, kWide>(args.in, args.up, args.out) ? args.count / kWide : 0;
  // Two turns a thread at least where there is enough to do.
  const unsigned blocks = blocks_for(args.count, kThreads * 2 * kWide, 65535);
  GPT_LAUNCH(kernel, dim3(blocks), dim3(kThreads), 0, stream, static_cast<const T*>(args.in),
             static_cast<const T*>(args.up), static_cast<T*>(args.out), args.count, whole);
  return cudaGetLastError();
}

}  // namespace

int launch_gelu(const GeluLaunch& args, void* stream) {
  if (args.count == 0) return cudaSuccess;
  return for_type(args.type, [&](auto* null) {
    return launch<GPT_POINTEE(null)>(args, static_cast<cudaStream_t>(stream));
  });
}

}  // namespace gpt
