// One block per row: each logit is read from device memory once and written once. The row waits in
// shared memory between the two passes, online maximum and sum, then the gradient; 50304 bf16
// logits are 98 KiB, which is what a block may have on every card from sm_80 on. A row that does
// not fit is read twice.
#include "kernel_math.h"
#include "online_softmax.h"

namespace gpt {

namespace {

constexpr int kThreads = 512;

template <class R>
__device__ SoftmaxStatsOf<R> reduce_block(SoftmaxStatsOf<R> mine) {
  for (int offset = 16; offset > 0; offset /= 2) {
    const R max = __shfl_xor_sync(0xFFFFFFFFu, mine.max, offset);
    const R sum = __shfl_xor_sync(0xFFFFFFFFu, mine.sum, offset);
    mine = merge(mine, SoftmaxStatsOf<R>{max, sum});
  }
  __shared__ SoftmaxStatsOf<R> warps[kThreads / 32];
  if (threadIdx.x % 32 == 0) warps[threadIdx.x / 32] = mine;
  __syncthreads();
  SoftmaxStatsOf<R> total = warps[0];
  for (int warp = 1; warp < kThreads / 32; ++warp) total = merge(total, warps[warp]);
  return total;
}

// The pack's own maximum first: one rescaling of the sum instead of one per logit.
template <class R, class T, int N>
__device__ SoftmaxStatsOf<R> include_pack(SoftmaxStatsOf<R> stats, const Pack<T, N>& pack) {
  R max = stats.max;
  for (int k = 0; k < N; ++k)
    if (static_cast<R>(pack.value[k]) > max) max = static_cast<R>(pack.value[k]);
  R sum = stats.sum == R(0) ? R(0) : stats.sum * exp(stats.max - max);
  for (int k = 0; k < N; ++k) sum += exp(static_cast<R>(pack.value[k]) - max);
  return {max, sum};
}

template <class T, int N>
__global__ void __launch_bounds__(kThreads)
    cross_entropy_rows(CrossEntropyLaunch args, bool cached) {
  using R = Real<T>;
  GPT_SHARED(T, cache);
  const std::int64_t vocab = args.vocab;
  T* row = static_cast<T*>(args.logits) + blockIdx.x * vocab;
  const std::int64_t column = args.target[blockIdx.x];
  const bool ignored = column == args.ignore_index;
  const bool valid = column >= 0 && column < vocab;

  SoftmaxStatsOf<R> mine{static_cast<R>(-INFINITY), R(0)};
  for (std::int64_t i = threadIdx.x * N; i < vocab; i += kThreads * N) {
    const Pack<T, N> pack = load<N>(row + i);
    if (cached) store(cache + i, pack);
    mine = include_pack(mine, pack);
  }
  const SoftmaxStatsOf<R> all = reduce_block(mine);

  if (threadIdx.x == 0) {
    const R nll = valid ? log(all.sum) + all.max - static_cast<R>(row[column]) : R(NAN);
    static_cast<R*>(args.loss)[blockIdx.x] = ignored ? R(0) : nll;
  }
  if (!args.gradient) return;
  __syncthreads();  // thread 0 has read the target's logit
  const R factor = ignored ? R(0) : static_cast<R>(args.scale) / all.sum;
  const T* kept = cached ? cache : row;
  for (std::int64_t i = threadIdx.x * N; i < vocab; i += kThreads * N) {
    Pack<T, N> pack = load<N>(kept + i);
    for (int k = 0; k < N; ++k) {
      R d = factor * exp(static_cast<R>(pack.value[k]) - all.max);
      if (i + k == column && !ignored) d -= static_cast<R>(args.scale);
      pack.value[k] = static_cast<T>(d);
    }
    store(row + i, pack);
  }
}

// A single pass over the row has no use for the shared memory.
template <class T, class Kernel>
bool fits_shared_memory(const Kernel& kernel, const CrossEntropyLaunch& args, std::size_t bytes) {
  int device = 0, most = 0;
  if (!args.gradient || cudaGetDevice(&device) != cudaSuccess ||
      cudaDeviceGetAttribute(&most, cudaDevAttrMaxSharedMemoryPerBlockOptin, device) != cudaSuccess)
    return false;
  const std::size_t fixed = kThreads / 32 * sizeof(SoftmaxStatsOf<Real<T>>);
  return bytes + fixed <= static_cast<std::size_t>(most) &&
         cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                              static_cast<int>(bytes)) == cudaSuccess;
}

template <class T>
int launch(const CrossEntropyLaunch& args, cudaStream_t stream) {
  constexpr int kWide = 16 / sizeof(T);
  const auto kernel =
      args.vocab % kWide == 0 ? cross_entropy_rows<T, kWide> : cross_entropy_rows<T, 1>;
  const std::size_t bytes = static_cast<std::size_t>(args.vocab) * sizeof(T);
  const bool cached = fits_shared_memory<T>(kernel, args, bytes);
  GPT_LAUNCH(kernel, dim3(static_cast<unsigned>(args.rows)), dim3(kThreads), cached ? bytes : 0,
             stream, args, cached);
  return cudaGetLastError();
}

}  // namespace

int launch_cross_entropy(const CrossEntropyLaunch& args, void* stream) {
  if (args.rows == 0) return cudaSuccess;
  return for_type(args.type, [&](auto* null) {
    return launch<GPT_POINTEE(null)>(args, static_cast<cudaStream_t>(stream));
  });
}

}  // namespace gpt
