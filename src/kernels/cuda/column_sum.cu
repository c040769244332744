// Sums over rows in two launches without atomics: chunks of rows to partial sums, those to the
// result, both in an order that the sizes fix.
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

// A thread has N neighbouring columns.
template <class T, int N>
__global__ void __launch_bounds__(kColumns* kRows) sum_chunks(ColumnSumsLaunch args) {
  using R = Real<T>;
  const std::int64_t column = (static_cast<std::int64_t>(blockIdx.x) * kColumns + threadIdx.x) * N;
  const std::int64_t chunk = blockIdx.y;
  const std::int64_t begin = args.rows * chunk / args.chunks;
  const std::int64_t end = args.rows * (chunk + 1) / args.chunks;
  const T* in = static_cast<const T*>(args.in);
  const bool inside = column < args.columns;
  R sum[N] = {};
  for (std::int64_t row = begin + threadIdx.y; inside && row < end; row += kRows) {
    const Pack<T, N> pack = load<N>(in + row * args.columns + column);
    for (int k = 0; k < N; ++k) sum[k] += static_cast<R>(pack.value[k]);
  }
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

template <class T>
int launch_chunks(const ColumnSumsLaunch& args, cudaStream_t stream) {
  const bool wide = args.columns % 4 == 0 && aligned<T, 4>(args.in);
  const std::int64_t per_block = kColumns * (wide ? 4 : 1);
  const auto kernel = wide ? sum_chunks<T, 4> : sum_chunks<T, 1>;
  const dim3 grid(static_cast<unsigned>((args.columns + per_block - 1) / per_block),
                  static_cast<unsigned>(args.chunks));
  GPT_LAUNCH(kernel, grid, dim3(kColumns, kRows), 0, stream, args);
  return cudaGetLastError();
}

}  // namespace

int launch_column_sums(const ColumnSumsLaunch& args, void* stream) {
  if (args.rows == 0 || args.columns == 0) return cudaSuccess;
  return for_type(args.type, [&](auto* null) {
    return launch_chunks<GPT_POINTEE(null)>(args, static_cast<cudaStream_t>(stream));
  });
}

int launch_add_rows(const AddRowsLaunch& args, void* stream) {
  if (args.rows == 0 || args.columns == 0) return cudaSuccess;
  return for_real_type(args.type, [&](auto* null) {
    return launch_rows<GPT_POINTEE(null)>(args, static_cast<cudaStream_t>(stream));
  });
}

}  // namespace gpt
