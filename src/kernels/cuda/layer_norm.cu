// One warp per row. The row is kept in shared memory where it fits, else read again from global
// memory by the lane that wrote it. Mean first, then the squares of what is left: no cancellation.
#include "kernel_math.h"

namespace gpt {

namespace {

constexpr int kWarps = 8;
constexpr std::size_t kShared = 48 << 10;  // what every device gives without being asked

// kCached: the row waits in shared memory, which a load must know to be a fast one.
template <class T, int N, bool kCached>
__global__ void __launch_bounds__(32 * kWarps) add_norm_rows(AddLayerNormLaunch args) {
  using R = Real<T>;
  GPT_SHARED(R, cache);
  const std::int64_t row = static_cast<std::int64_t>(blockIdx.x) * blockDim.y + threadIdx.y;
  if (row >= args.rows) return;
  const std::int64_t C = args.width, first = row * C;
  const R* x = static_cast<const R*>(args.x) + first;
  const T* branch = static_cast<const T*>(args.branch);
  R* sum = args.branch ? static_cast<R*>(args.sum) + first : nullptr;

  const R* kept = kCached ? cache + threadIdx.y * C : (sum ? sum : x);
  R total = 0;
  for (std::int64_t c = threadIdx.x * N; c < C; c += 32 * N) {
    Pack<R, N> v = load<N>(x + c);
    if (branch) {
      const Pack<T, N> b = load<N>(branch + first + c);
      R factor[N];
      dropout_factors(args.dropout, row, c, C, factor);
      for (int k = 0; k < N; ++k) v.value[k] += static_cast<R>(b.value[k]) * factor[k];
      store(sum + c, v);
    }
    if (kCached) store(cache + threadIdx.y * C + c, v);
    for (int k = 0; k < N; ++k) total += v.value[k];
  }
  const R mean = warp_sum(total) / static_cast<R>(C);

  R squares = 0;
  for (std::int64_t c = threadIdx.x * N; c < C; c += 32 * N) {
    const Pack<R, N> v = load<N>(kept + c);
    for (int k = 0; k < N; ++k) squares += (v.value[k] - mean) * (v.value[k] - mean);
  }
  const R variance = warp_sum(squares) / static_cast<R>(C);
  const R rstd = R(1) / sqrt(variance + static_cast<R>(args.epsilon));

  const R* weight = static_cast<const R*>(args.weight);
  const R* bias = static_cast<const R*>(args.bias);
  T* y = static_cast<T*>(args.y) + first;
  for (std::int64_t c = threadIdx.x * N; c < C; c += 32 * N) {
    const Pack<R, N> v = load<N>(kept + c), w = load<N>(weight + c);
    Pack<R, N> b{};
    if (bias) b = load<N>(bias + c);
    Pack<T, N> out;
    for (int k = 0; k < N; ++k)
      out.value[k] = static_cast<T>((v.value[k] - mean) * rstd * w.value[k] + b.value[k]);
    store(y + c, out);
  }
  if (threadIdx.x == 0) {
    static_cast<R*>(args.mean)[row] = mean;
    static_cast<R*>(args.rstd)[row] = rstd;
  }
}

template <int N, class R>
__device__ void add_pack(R* to, const Pack<R, N>& more) {
  Pack<R, N> all = load<N>(to);
  for (int k = 0; k < N; ++k) all.value[k] += more.value[k];
  store(to, all);
}

// One row: dx, dbranch, and this warp's sums of dy * xhat and dy, `width` of each, in `sums`.
template <class T, int N>
__device__ void norm_backward_row(const LayerNormBackwardLaunch& args, std::int64_t row,
                                  Real<T>* sums) {
  using R = Real<T>;
  const std::int64_t C = args.width, first = row * C;
  const T* dy = static_cast<const T*>(args.dy) + first;
  const R* x = static_cast<const R*>(args.x) + first;
  const R* weight = static_cast<const R*>(args.weight);
  const R mean = static_cast<const R*>(args.mean)[row],
          rstd = static_cast<const R*>(args.rstd)[row];
  R along = 0, total = 0;
  for (std::int64_t c = threadIdx.x * N; c < C; c += 32 * N) {
    const Pack<T, N> d = load<N>(dy + c);
    const Pack<R, N> v = load<N>(x + c), w = load<N>(weight + c);
    Pack<R, N> up, up_hat;
    for (int k = 0; k < N; ++k) {
      const R hat = (v.value[k] - mean) * rstd;
      up.value[k] = static_cast<R>(d.value[k]);
      up_hat.value[k] = up.value[k] * hat;
      along += up.value[k] * w.value[k] * hat;
      total += up.value[k] * w.value[k];
    }
    add_pack(sums + c, up_hat);
    add_pack(sums + C + c, up);
  }
  along = warp_sum(along) / static_cast<R>(C);
  total = warp_sum(total) / static_cast<R>(C);

  R* dx = static_cast<R*>(args.dx) + first;
  T* dbranch = static_cast<T*>(args.dbranch);
  for (std::int64_t c = threadIdx.x * N; c < C; c += 32 * N) {
    const Pack<T, N> d = load<N>(dy + c);
    const Pack<R, N> v = load<N>(x + c), w = load<N>(weight + c);
    Pack<R, N> out{};
    if (args.accumulate) out = load<N>(dx + c);
    for (int k = 0; k < N; ++k) {
      const R hat = (v.value[k] - mean) * rstd;
      out.value[k] += rstd * (static_cast<R>(d.value[k]) * w.value[k] - total - hat * along);
    }
    store(dx + c, out);
    if (!dbranch) continue;
    R factor[N];
    dropout_factors(args.dropout, row, c, C, factor);
    Pack<T, N> low;
    for (int k = 0; k < N; ++k) low.value[k] = static_cast<T>(out.value[k] * factor[k]);
    store(dbranch + first + c, low);
  }
}

// A block strides over the rows with its warps; each warp has sums of its own, and the block adds
// them up in a fixed order. kCached: they are in shared memory; else the block is one warp, whose
// sums are the block's row of `partial`.
template <class T, int N, bool kCached>
__global__ void __launch_bounds__(32 * kWarps) norm_backward_rows(LayerNormBackwardLaunch args) {
  using R = Real<T>;
  GPT_SHARED(R, cache);
  const std::int64_t both = 2 * args.width;
  R* out = static_cast<R*>(args.partial) + blockIdx.x * both;
  R* sums = kCached ? cache + threadIdx.y * both : out;
  for (std::int64_t c = threadIdx.x * N; c < args.width; c += 32 * N)
    for (int k = 0; k < N; ++k) sums[c + k] = sums[args.width + c + k] = R(0);

  const std::int64_t step = static_cast<std::int64_t>(gridDim.x) * blockDim.y;
  for (std::int64_t row = static_cast<std::int64_t>(blockIdx.x) * blockDim.y + threadIdx.y;
       row < args.rows; row += step)
    norm_backward_row<T, N>(args, row, sums);

  if (!kCached) return;
  __syncthreads();
  const int me = threadIdx.y * 32 + threadIdx.x, threads = blockDim.y * 32;
  for (std::int64_t c = me; c < both; c += threads) {
    R total = 0;
    for (unsigned warp = 0; warp < blockDim.y; ++warp) total += cache[warp * both + c];
    out[c] = total;
  }
}

template <class T>
int launch_forward(const AddLayerNormLaunch& args, cudaStream_t stream) {
  const std::size_t row = static_cast<std::size_t>(args.width) * sizeof(Real<T>);
  const bool cached = kWarps * row <= kShared;
  const std::size_t shared = cached ? kWarps * row : 0;
  const auto blocks = static_cast<unsigned>((args.rows + kWarps - 1) / kWarps);
  const bool wide = args.width % 4 == 0 && aligned<T, 4>(args.branch, args.y) &&
                    aligned<Real<T>, 4>(args.x, args.weight, args.bias, args.sum);
  const auto kernel = cached ? (wide ? add_norm_rows<T, 4, true> : add_norm_rows<T, 1, true>)
                             : (wide ? add_norm_rows<T, 4, false> : add_norm_rows<T, 1, false>);
  GPT_LAUNCH(kernel, dim3(blocks), dim3(32, kWarps), shared, stream, args);
  return cudaGetLastError();
}

template <class T>
int launch_backward(const LayerNormBackwardLaunch& args, cudaStream_t stream) {
  const std::size_t sums = 2 * static_cast<std::size_t>(args.width) * sizeof(Real<T>);
  const bool cached = sums <= kShared;
  const std::size_t fitting = cached ? kShared / sums : 1;
  const auto warps = static_cast<unsigned>(fitting < kWarps ? fitting : kWarps);
  const bool wide = args.width % 4 == 0 && aligned<T, 4>(args.dy, args.dbranch) &&
                    aligned<Real<T>, 4>(args.x, args.weight, args.dx, args.partial);
  const auto kernel =
      cached ? (wide ? norm_backward_rows<T, 4, true> : norm_backward_rows<T, 1, true>)
             : (wide ? norm_backward_rows<T, 4, false> : norm_backward_rows<T, 1, false>);
  GPT_LAUNCH(kernel, dim3(static_cast<unsigned>(args.blocks)), dim3(32, warps),
             cached ? warps * sums : 0, stream, args);
  return cudaGetLastError();
}

}  // namespace

int launch_add_layer_norm(const AddLayerNormLaunch& args, void* stream) {
  if (args.rows == 0) return cudaSuccess;
  return for_type(args.type, [&](auto* null) {
    return launch_forward<GPT_POINTEE(null)>(args, static_cast<cudaStream_t>(stream));
  });
}

int launch_layer_norm_backward(const LayerNormBackwardLaunch& args, void* stream) {
  if (args.rows == 0) return cudaSuccess;
  return for_type(args.type, [&](auto* null) {
    return launch_backward<GPT_POINTEE(null)>(args, static_cast<cudaStream_t>(stream));
  });
}

}  // namespace gpt
