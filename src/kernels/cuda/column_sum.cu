// Sums over rows in two launches without atomics: chunks of rows to partial sums, those to the
// result, both in an order that the sizes fix. What is summed may be made in the same pass: then it
// is not read once more for its sums.
#include "gelu_math.h"
#include "kernel_math.h"

namespace gpt {

namespace {

constexpr int kColumns = 32, kRows = 8, kAddRows = 32;
// From here on columns alone fill a card; then a thread for each, with no barrier.
constexpr std::int64_t kManyColumns = 1 << 15;
constexpr int kThreads = 256;

// Adds up `mine` over threadIdx.y; the thread with y = 0 gets the sum, and only it may look, or a
// next call would need a barrier before it.
template <class R, int kHeight>
__device__ R sum_over_y(R mine) {
  __shared__ R all[kHeight][kColumns + 1];
  all[threadIdx.y][threadIdx.x] = mine;
  __syncthreads();
  for (int height = kHeight / 2; height > 0; height /= 2) {
    if (static_cast<int>(threadIdx.y) < height)
      all[threadIdx.y][threadIdx.x] += all[threadIdx.y + height][threadIdx.x];
    __syncthreads();
  }
  return threadIdx.y == 0 ? all[0][threadIdx.x] : R(0);
}

// Where the values come from, N neighbours at a time: a matrix as it is,
template <class T>
struct Matrix {
  const T* in;
  std::int64_t columns;

  template <int N>
  __device__ Pack<T, N> values(std::int64_t row, std::int64_t column) const {
    return load<N>(in + row * columns + column);
  }
};

// a gradient that passes through GELU, in place,
template <class T, bool kTanh>
struct GeluGradient {
  const T* in;
  T* up;
  std::int64_t columns;

  template <int N>
  __device__ Pack<T, N> values(std::int64_t row, std::int64_t column) const {
    using R = Real<T>;
    const std::int64_t at = row * columns + column;
    const Pack<T, N> x = load<N>(in + at);
    Pack<T, N> result = load<N>(up + at);
    for (int k = 0; k < N; ++k)
      result.value[k] = static_cast<T>(static_cast<R>(result.value[k]) *
                                       gelu_slope(static_cast<R>(x.value[k]), kTanh));
    store(up + at, result);
    return result;
  }
};

// or three matrices that are laid side by side. N neighbours are of one of them.
template <class T>
struct Joined {
  const T* parts[3];
  T* out;
  std::int64_t width;

  template <int N>
  __device__ Pack<T, N> values(std::int64_t row, std::int64_t column) const {
    const int which = column < width ? 0 : column < 2 * width ? 1 : 2;
    const Pack<T, N> pack = load<N>(parts[which] + row * width + column - which * width);
    store(out + row * 3 * width + column, pack);
    return pack;
  }
};

struct Sums {
  void* partial;  // or null: none are wanted
  std::int64_t rows, columns, chunks;
};

// A thread has N neighbouring columns.
template <class T, int N, class Source>
__global__ void __launch_bounds__(kColumns* kRows) sum_chunks(Source source, Sums args) {
  using R = Real<T>;
  const std::int64_t column = (static_cast<std::int64_t>(blockIdx.x) * kColumns + threadIdx.x) * N;
  const std::int64_t chunk = blockIdx.y;
  const std::int64_t begin = args.rows * chunk / args.chunks;
  const std::int64_t end = args.rows * (chunk + 1) / args.chunks;
  const bool inside = column < args.columns;
  R sum[N] = {};
  for (std::int64_t row = begin + threadIdx.y; inside && row < end; row += kRows) {
    const Pack<T, N> pack = source.template values<N>(row, column);
    for (int k = 0; k < N; ++k) sum[k] += static_cast<R>(pack.value[k]);
  }
  if (!args.partial) return;
  R* partial = static_cast<R*>(args.partial) + chunk * args.columns;
  for (int k = 0; k < N; ++k) {
    const R total = sum_over_y<R, kRows>(sum[k]);
    if (threadIdx.y == 0 && inside) partial[column + k] = total;
  }
}

template <class R>
__global__ void __launch_bounds__(kColumns* kAddRows) add_rows(AddRowsLaunch args) {
  const std::int64_t column = static_cast<std::int64_t>(blockIdx.x) * kColumns + threadIdx.x;
  const bool inside = column < args.columns;
  const R* in = static_cast<const R*>(args.in);
  R sum = 0;
  for (std::int64_t row = threadIdx.y; inside && row < args.rows; row += kAddRows)
    sum += in[row * args.stride + column];
  const R total = sum_over_y<R, kAddRows>(sum);
  if (threadIdx.y == 0 && inside) static_cast<R*>(args.out)[column] += total;
}

template <class R>
__global__ void __launch_bounds__(kThreads) add_rows_of_many_columns(AddRowsLaunch args) {
  const std::int64_t column = static_cast<std::int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (column >= args.columns) return;
  const R* in = static_cast<const R*>(args.in);
  R sum = 0;
  for (std::int64_t row = 0; row < args.rows; ++row) sum += in[row * args.stride + column];
  static_cast<R*>(args.out)[column] += sum;
}

template <class R>
int launch_rows(const AddRowsLaunch& args, cudaStream_t stream) {
  const bool many = args.columns >= kManyColumns;
  const int per_block = many ? kThreads : kColumns;
  const auto blocks = static_cast<unsigned>((args.columns + per_block - 1) / per_block);
  if (many)
    GPT_LAUNCH(add_rows_of_many_columns<R>, dim3(blocks), dim3(kThreads), 0, stream, args);
  else
    GPT_LAUNCH(add_rows<R>, dim3(blocks), dim3(kColumns, kAddRows), 0, stream, args);
  return cudaGetLastError();
}

// `wide`: may N neighbours be read at once?
template <class T, int N, class Source>
int launch_chunks(const Source& source, const Sums& sums, bool wide, void* stream) {
  const std::int64_t per_block = kColumns * (wide ? N : 1);
  const auto kernel = wide ? sum_chunks<T, N, Source> : sum_chunks<T, 1, Source>;
  const dim3 grid(static_cast<unsigned>((sums.columns + per_block - 1) / per_block),
                  static_cast<unsigned>(sums.chunks));
  GPT_LAUNCH(kernel, grid, dim3(kColumns, kRows), 0, static_cast<cudaStream_t>(stream), source,
             sums);
  return cudaGetLastError();
}

template <bool kTanh, class T>
int launch_gelu_sums(const GeluSumsLaunch& args, void* stream) {
  constexpr int kWide = 16 / sizeof(T);
  const GeluGradient<T, kTanh> source{static_cast<const T*>(args.in), static_cast<T*>(args.up),
                                      args.columns};
  const bool wide = args.columns % kWide == 0 && aligned<T, kWide>(args.in, args.up);
  return launch_chunks<T, kWide>(source, {args.partial, args.rows, args.columns, args.chunks}, wide,
                                 stream);
}

}  // namespace

int launch_column_sums(const ColumnSumsLaunch& args, void* stream) {
  if (args.rows == 0 || args.columns == 0) return cudaSuccess;
  return for_type(args.type, [&](auto* null) {
    using T = GPT_POINTEE(null);
    const Matrix<T> source{static_cast<const T*>(args.in), args.columns};
    return launch_chunks<T, 4>(source, {args.partial, args.rows, args.columns, args.chunks},
                               args.columns % 4 == 0 && aligned<T, 4>(args.in), stream);
  });
}

int launch_gelu_backward_sums(const GeluSumsLaunch& args, void* stream) {
  if (args.rows == 0 || args.columns == 0) return cudaSuccess;
  return for_type(args.type, [&](auto* null) {
    using T = GPT_POINTEE(null);
    return args.tanh ? launch_gelu_sums<true, T>(args, stream)
                     : launch_gelu_sums<false, T>(args, stream);
  });
}

int launch_join_sums(const JoinSumsLaunch& args, void* stream) {
  if (args.rows == 0 || args.width == 0) return cudaSuccess;
  return for_type(args.type, [&](auto* null) {
    using T = GPT_POINTEE(null);
    constexpr int kWide = 16 / sizeof(T);
    const auto part = [&](int i) { return static_cast<const T*>(args.parts[i]); };
    const Joined<T> source{{part(0), part(1), part(2)}, static_cast<T*>(args.out), args.width};
    const bool wide = args.width % kWide == 0 &&
                      aligned<T, kWide>(args.parts[0], args.parts[1], args.parts[2], args.out);
    return launch_chunks<T, kWide>(source, {args.partial, args.rows, 3 * args.width, args.chunks},
                                   wide, stream);
  });
}

int launch_add_rows(const AddRowsLaunch& args, void* stream) {
  if (args.rows == 0 || args.columns == 0) return cudaSuccess;
  return for_real_type(args.type, [&](auto* null) {
    return launch_rows<GPT_POINTEE(null)>(args, static_cast<cudaStream_t>(stream));
  });
}

}  // namespace gpt
