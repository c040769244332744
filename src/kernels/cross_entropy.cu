// One block per row. First pass: online maximum and sum; second: the gradient over the logits.
// A row of GPT-2 is 100 KB of bf16, so the second read mostly hits L2.
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include "launch.h"
#include "online_softmax.h"

namespace gpt {

namespace {

constexpr int kThreads = 512;

struct Wide {  // statistics in float64, for checks against the CPU
  double max, sum;
};

__device__ Wide merge(Wide a, Wide b) {
  if (a.max < b.max) {
    const Wide larger = b;
    b = a;
    a = larger;
  }
  if (b.sum == 0.0) return a;
  return {a.max, a.sum + b.sum * exp(b.max - a.max)};
}

template <class T>
struct Math {
  using Real = float;
  using Stats = SoftmaxStats;
  static __device__ float load(T x) { return static_cast<float>(x); }
  static __device__ float exponent(float x) { return expf(x); }
};
template <>
struct Math<double> {
  using Real = double;
  using Stats = Wide;
  static __device__ double load(double x) { return x; }
  static __device__ double exponent(double x) { return exp(x); }
};

template <class Stats, class Real>
__device__ Stats reduce_block(Stats mine) {
  for (int offset = 16; offset > 0; offset /= 2) {
    const Real max = __shfl_xor_sync(0xFFFFFFFFu, mine.max, offset);
    const Real sum = __shfl_xor_sync(0xFFFFFFFFu, mine.sum, offset);
    mine = merge(mine, Stats{max, sum});
  }
  __shared__ Stats warps[kThreads / 32];
  if (threadIdx.x % 32 == 0) warps[threadIdx.x / 32] = mine;
  __syncthreads();
  Stats total = warps[0];
  for (int warp = 1; warp < kThreads / 32; ++warp) total = merge(total, warps[warp]);
  return total;
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    cross_entropy_rows(T* logits, const std::int64_t* target, typename Math<T>::Real* loss,
                       std::int64_t vocab, std::int64_t ignore_index, double scale, bool gradient) {
  using Real = typename Math<T>::Real;
  using Stats = typename Math<T>::Stats;
  T* row = logits + blockIdx.x * vocab;
  const std::int64_t column = target[blockIdx.x];
  const bool ignored = column == ignore_index;
  const bool valid = column >= 0 && column < vocab;

  Stats mine{static_cast<Real>(-INFINITY), Real(0)};
  for (std::int64_t i = threadIdx.x; i < vocab; i += kThreads)
    mine = merge(mine, Stats{Math<T>::load(row[i]), Real(1)});
  const Stats all = reduce_block<Stats, Real>(mine);

  if (threadIdx.x == 0) {
    const Real nll = valid ? log(all.sum) + all.max - Math<T>::load(row[column]) : Real(NAN);
    loss[blockIdx.x] = ignored ? Real(0) : nll;
  }
  if (!gradient) return;
  __syncthreads();  // thread 0 has read the target's logit
  const Real factor = ignored ? Real(0) : static_cast<Real>(scale) / all.sum;
  for (std::int64_t i = threadIdx.x; i < vocab; i += kThreads) {
    Real d = factor * Math<T>::exponent(Math<T>::load(row[i]) - all.max);
    if (i == column && !ignored) d -= static_cast<Real>(scale);
    row[i] = static_cast<T>(d);
  }
}

template <class T>
int launch(const CrossEntropyLaunch& args, cudaStream_t stream) {
  cross_entropy_rows<T><<<static_cast<unsigned>(args.rows), kThreads, 0, stream>>>(
      static_cast<T*>(args.logits), args.target, static_cast<typename Math<T>::Real*>(args.loss),
      args.vocab, args.ignore_index, args.scale, args.gradient);
  return cudaGetLastError();
}

}  // namespace

int launch_cross_entropy(const CrossEntropyLaunch& args, void* stream) {
  if (args.rows == 0) return cudaSuccess;
  const auto s = static_cast<cudaStream_t>(stream);
  switch (args.type) {
    case Float::kFloat32:
      return launch<float>(args, s);
    case Float::kFloat64:
      return launch<double>(args, s);
    case Float::kBFloat16:
      return launch<__nv_bfloat16>(args, s);
    case Float::kFloat16:
      return launch<__half>(args, s);
  }
  return cudaErrorInvalidValue;
}

}  // namespace gpt
