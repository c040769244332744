// One warp per row of scores, in place: they are read from memory once and written once, and found
// in the caches in between. Columns after the row's own token, and those before its start, do not
// count; they become zeros.
#include "kernel_math.h"

namespace gpt {

namespace {

constexpr int kWarps = 8;

template <class T>
__device__ T warp_max(T value) {
  for (int offset = 16; offset > 0; offset /= 2) {
    const T other = __shfl_xor_sync(0xFFFFFFFFu, value, offset);
    if (other > value) value = other;
  }
  return value;
}

// A row of scores s and, in backward, of its gradient; both begin where packs of N may be read.
template <class T, int N, bool kBackward>
struct Row {
  using R = Real<T>;
  const CausalSoftmaxLaunch& args;
  std::int64_t row, last;  // its own token: the last column that counts
  std::int64_t start;      // the first
  T *scores, *gradient;

  // Of this thread, in whole packs.
  __device__ std::int64_t first_column() const { return start / N * N + threadIdx.x * N; }
  __device__ bool counts(std::int64_t column) const { return column >= start && column <= last; }

  __device__ R scaled(T score) const { return static_cast<R>(score) * static_cast<R>(args.scale); }

  __device__ R largest() const {
    R most = static_cast<R>(-INFINITY);
    for (std::int64_t c = first_column(); c <= last; c += 32 * N) {
      const Pack<T, N> pack = load<N>(scores + c);
      for (int k = 0; k < N; ++k)
        if (counts(c + k) && scaled(pack.value[k]) > most) most = scaled(pack.value[k]);
    }
    return warp_max(most);
  }

  // The sum of e^(s - max) and, in backward, that of its products with the weights' gradients.
  __device__ void sums(R max, R& sum, R& along) const {
    sum = along = R(0);
    for (std::int64_t c = first_column(); c <= last; c += 32 * N) {
      const Pack<T, N> pack = load<N>(scores + c);
      Pack<T, N> up{};
      R factor[N] = {};
      if constexpr (kBackward) {
        up = load<N>(gradient + c);
        dropout_factors(args.dropout, row, c, args.tokens, factor);
      }
      for (int k = 0; k < N && c + k <= last; ++k) {
        if (c + k < start) continue;
        const R e = exp(scaled(pack.value[k]) - max);
        sum += e;
        if (kBackward) along += e * factor[k] * static_cast<R>(up.value[k]);
      }
    }
    sum = warp_sum(sum);
    if (kBackward) along = warp_sum(along) / sum;
  }

  __device__ void write(R max, R sum, R along) const {
    for (std::int64_t c = threadIdx.x * N; c < args.tokens; c += 32 * N) {
      Pack<T, N> weight{}, down{};
      if (c <= last && c + N > start) {
        const Pack<T, N> pack = load<N>(scores + c);
        if (kBackward) down = load<N>(gradient + c);
        R factor[N] = {};
        dropout_factors(args.dropout, row, c, args.tokens, factor);
        for (int k = 0; k < N; ++k) {
          const bool here = counts(c + k);
          const R p = here ? exp(scaled(pack.value[k]) - max) / sum : R(0);
          weight.value[k] = static_cast<T>(p * factor[k]);
          if (!kBackward) continue;
          const R up = here ? static_cast<R>(down.value[k]) * factor[k] - along : R(0);
          down.value[k] = static_cast<T>(static_cast<R>(args.scale) * p * up);
        }
      } else {
        for (int k = 0; k < N; ++k) weight.value[k] = down.value[k] = static_cast<T>(0.0f);
      }
      store(scores + c, weight);
      if (kBackward) store(gradient + c, down);
    }
  }
};

template <class T, int N, bool kBackward>
__global__ void __launch_bounds__(32 * kWarps) causal_softmax_rows(CausalSoftmaxLaunch args) {
  using R = Real<T>;
  const std::int64_t row = static_cast<std::int64_t>(blockIdx.x) * kWarps + threadIdx.y;
  if (row >= args.rows) return;
  const std::int64_t first = row * args.tokens;
  const std::int64_t token = row % args.tokens, sequence = row / args.tokens / args.heads;
  const Row<T, N, kBackward> work{args,
                                  row,
                                  token,
                                  args.start ? args.start[sequence * args.tokens + token] : 0,
                                  static_cast<T*>(args.scores) + first,
                                  kBackward ? static_cast<T*>(args.gradient) + first : nullptr};
  const R max = work.largest();
  R sum, along;
  work.sums(max, sum, along);
  work.write(max, sum, along);
}

template <class T>
int launch(const CausalSoftmaxLaunch& args, cudaStream_t stream) {
  const auto blocks = static_cast<unsigned>((args.rows + kWarps - 1) / kWarps);
  const bool wide = args.tokens % 4 == 0 && aligned<T, 4>(args.scores, args.gradient);
  const auto kernel =
      args.gradient ? (wide ? causal_softmax_rows<T, 4, true> : causal_softmax_rows<T, 1, true>)
                    : (wide ? causal_softmax_rows<T, 4, false> : causal_softmax_rows<T, 1, false>);
  GPT_LAUNCH(kernel, dim3(blocks), dim3(32, kWarps), 0, stream, args);
  return cudaGetLastError();
}

}  // namespace

int launch_causal_softmax(const CausalSoftmaxLaunch& args, void* stream) {
  if (args.rows == 0 || args.tokens == 0) return cudaSuccess;
  return for_type(args.type, [&](auto* null) {
    return launch<GPT_POINTEE(null)>(args, static_cast<cudaStream_t>(stream));
  });
}

}  // namespace gpt
