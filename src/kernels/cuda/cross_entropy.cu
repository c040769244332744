// One block per row: each logit is read from device memory once and written once. The row waits in
// shared memory between the two passes, online maximum and sum, then the gradient; 50304 bf16
// logits are 98 KiB, which is what a block may have on every card from sm_80 on. A row that does
// not fit (sm_75: 64 KiB) is read twice. Rows may be padded, so that those of any vocabulary begin
// at addresses from which matmuls and this kernel can read 16 bytes at once.
#include "kernel_math.h"
#include "online_softmax.h"

namespace gpt {

namespace {

constexpr int kThreads = 512;

// e^x. Of float, a multiplication and the card's own instruction; the factor's rounding is that of
// an x by which probabilities differ in the seventh digit.
__device__ inline float exponential(float x) {
  return exp2f(x * 1.44269504088896340736f);
}
__device__ inline double exponential(double x) {
  return exp(x);
}

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
  R sum = stats.sum == R(0) ? R(0) : stats.sum * exponential(stats.max - max);
  for (int k = 0; k < N; ++k) sum += exponential(static_cast<R>(pack.value[k]) - max);
  return {max, sum};
}

// Of columns i .. i + N - 1. Padding is the logit of a probability of 0.
template <int N, class T>
__device__ Pack<T, N> load_logits(const T* row, std::int64_t i, std::int64_t vocab) {
  Pack<T, N> pack = load<N>(row + i);
  if (i + N > vocab)
    for (int k = 0; k < N; ++k)
      if (i + k >= vocab) pack.value[k] = static_cast<T>(-INFINITY);
  return pack;
}

// kCached: the row waits in shared memory, which a load must know to be a fast one.
template <class T, int N, bool kCached>
__global__ void __launch_bounds__(kThreads) cross_entropy_rows(CrossEntropyLaunch args) {
  using R = Real<T>;
  GPT_SHARED(T, cache);
  const std::int64_t vocab = args.vocab;
  T* row = static_cast<T*>(args.logits) + blockIdx.x * args.stride;
  const std::int64_t column = args.target[blockIdx.x];
  const bool ignored = column == args.ignore_index;
  const bool valid = column >= 0 && column < vocab;

  SoftmaxStatsOf<R> mine{static_cast<R>(-INFINITY), R(0)};
  for (std::int64_t i = threadIdx.x * N; i < vocab; i += kThreads * N) {
    const Pack<T, N> pack = load_logits<N>(row, i, vocab);
    if (kCached) store(cache + i, pack);
    mine = include_pack(mine, pack);
  }
  const SoftmaxStatsOf<R> all = reduce_block(mine);

  const R target = valid ? static_cast<R>(row[column]) : R(NAN);
  if (threadIdx.x == 0)
    static_cast<R*>(args.loss)[blockIdx.x] = ignored ? R(0) : log(all.sum) + all.max - target;
  if (!args.gradient) return;
  __syncthreads();  // all have read the target's logit
  const R factor = ignored ? R(0) : static_cast<R>(args.scale) / all.sum;
  for (std::int64_t i = threadIdx.x * N; i < vocab; i += kThreads * N) {
    Pack<T, N> pack = kCached ? load<N>(cache + i) : load_logits<N>(row, i, vocab);
    for (int k = 0; k < N; ++k)
      pack.value[k] = static_cast<T>(factor * exponential(static_cast<R>(pack.value[k]) - all.max));
    store(row + i, pack);
  }
  const std::int64_t written = (vocab + N - 1) / N * N;
  for (std::int64_t i = written + threadIdx.x; i < args.stride; i += kThreads)
    row[i] = static_cast<T>(0.0f);
  if (valid && !ignored && column / N % kThreads == threadIdx.x)  // the thread that stored it
    row[column] =
        static_cast<T>(factor * exponential(target - all.max) - static_cast<R>(args.scale));
}

// Is this shared memory the kernel's? If not, there is another kernel, and no error.
template <class Kernel>
bool reserve_shared_memory(const Kernel& kernel, std::size_t bytes, std::size_t fixed) {
  int device = 0, most = 0;
  const bool known =
      cudaGetDevice(&device) == cudaSuccess &&
      cudaDeviceGetAttribute(&most, cudaDevAttrMaxSharedMemoryPerBlockOptin, device) == cudaSuccess;
  if (known && bytes + fixed > static_cast<std::size_t>(most)) return false;
  if (known && cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                    static_cast<int>(bytes)) == cudaSuccess)
    return true;
  static_cast<void>(cudaGetLastError());  // or the check of the launch would find it
  return false;
}

template <class T, int N>
int launch(const CrossEntropyLaunch& args, cudaStream_t stream) {
  const std::size_t bytes = static_cast<std::size_t>((args.vocab + N - 1) / N * N) * sizeof(T);
  constexpr std::size_t kFixed = kThreads / 32 * sizeof(SoftmaxStatsOf<Real<T>>);
  // A single pass over the row has no use for the shared memory.
  const bool cached =
      args.gradient && reserve_shared_memory(cross_entropy_rows<T, N, true>, bytes, kFixed);
  const auto kernel = cached ? cross_entropy_rows<T, N, true> : cross_entropy_rows<T, N, false>;
  GPT_LAUNCH(kernel, dim3(static_cast<unsigned>(args.rows)), dim3(kThreads), cached ? bytes : 0,
             stream, args);
  return cudaGetLastError();
}

}  // namespace

int launch_cross_entropy(const CrossEntropyLaunch& args, void* stream) {
  if (args.rows == 0) return cudaSuccess;
  return for_type(args.type, [&](auto* null) {
    using T = GPT_POINTEE(null);
    constexpr int kWide = 16 / sizeof(T);
    const bool wide = args.stride % kWide == 0 && aligned<T, kWide>(args.logits);
    return (wide ? launch<T, kWide> : launch<T, 1>)(args, static_cast<cudaStream_t>(stream));
  });
}

}  // namespace gpt
