// Token and position embedding in one pass; the gradient of the tokens' without atomics. Tokens
// come sorted, so each has a run of rows to sum. Long runs (a character, a comma) are cut into
// pieces that are summed side by side, each into its own first row of dx; then the pieces are.
#include "kernel_math.h"

namespace gpt {

namespace {

constexpr int kThreads = 128;
constexpr std::int64_t kPiece = 32;  // rows

template <class R, int N>
__global__ void __launch_bounds__(kThreads) embed_rows(EmbeddingLaunch args) {
  const std::int64_t row = blockIdx.x, C = args.width;
  const R* token = static_cast<const R*>(args.wte) + args.token[row] * C;
  const R* position = static_cast<const R*>(args.wpe) + row % args.tokens_per_sequence * C;
  R* out = static_cast<R*>(args.out) + row * C;
  for (std::int64_t c = threadIdx.x * N; c < C; c += kThreads * N) {
    Pack<R, N> a = load<N>(token + c);
    const Pack<R, N> b = load<N>(position + c);
    R factor[N];
    dropout_factors(args.dropout, row, c, C, factor);
    for (int k = 0; k < N; ++k) a.value[k] = (a.value[k] + b.value[k]) * factor[k];
    store(out + c, a);
  }
}

// The first i with sorted[i] >= token.
__device__ std::int64_t run_begin(const std::int64_t* sorted, std::int64_t last) {
  const std::int64_t token = sorted[last];
  std::int64_t low = 0, high = last;
  while (low < high) {
    const std::int64_t middle = (low + high) / 2;
    if (sorted[middle] < token)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

// Block i: the piece that begins at place i of the sorted tokens, if one does.
template <class R>
__global__ void __launch_bounds__(kThreads) sum_pieces(EmbeddingGradientLaunch args) {
  const std::int64_t i = blockIdx.x, token = args.sorted[i];
  const std::int64_t begin = run_begin(args.sorted, i);
  if ((i - begin) % kPiece != 0) return;
  std::int64_t end = i + 1;
  while (end < args.rows && end < i + kPiece && args.sorted[end] == token) ++end;
  const bool whole = i == begin && (end == args.rows || args.sorted[end] != token);
  R* dx = static_cast<R*>(args.dx);
  R* out =
      whole ? static_cast<R*>(args.gradient) + token * args.width : dx + args.order[i] * args.width;
  for (std::int64_t c = threadIdx.x; c < args.width; c += kThreads) {
    R sum = dx[args.order[i] * args.width + c];
    for (std::int64_t k = i + 1; k < end; ++k) sum += dx[args.order[k] * args.width + c];
    out[c] = whole ? out[c] + sum : sum;
  }
}

// Block i: the pieces of the run that begins at place i, if one does and it has several.
template <class R>
__global__ void __launch_bounds__(kThreads) add_pieces(EmbeddingGradientLaunch args) {
  const std::int64_t i = blockIdx.x, token = args.sorted[i];
  if (i > 0 && args.sorted[i - 1] == token) return;
  if (i + kPiece >= args.rows || args.sorted[i + kPiece] != token) return;
  const R* dx = static_cast<const R*>(args.dx);
  R* out = static_cast<R*>(args.gradient) + token * args.width;
  for (std::int64_t c = threadIdx.x; c < args.width; c += kThreads) {
    R sum = 0;
    for (std::int64_t k = i; k < args.rows && args.sorted[k] == token; k += kPiece)
      sum += dx[args.order[k] * args.width + c];
    out[c] += sum;
  }
}

}  // namespace

int launch_embedding(const EmbeddingLaunch& args, void* stream) {
  if (args.rows == 0) return cudaSuccess;
  return for_real_type(args.type, [&](auto* null) {
    using R = GPT_POINTEE(null);
    const bool wide = args.width % 4 == 0 && aligned<R, 4>(args.wte, args.wpe, args.out);
    const auto kernel = wide ? embed_rows<R, 4> : embed_rows<R, 1>;
    GPT_LAUNCH(kernel, dim3(static_cast<unsigned>(args.rows)), dim3(kThreads), 0,
               static_cast<cudaStream_t>(stream), args);
    return static_cast<int>(cudaGetLastError());
  });
}

int launch_embedding_gradient(const EmbeddingGradientLaunch& args, void* stream) {
  if (args.rows == 0) return cudaSuccess;
  return for_real_type(args.type, [&](auto* null) {
    using R = GPT_POINTEE(null);
    const auto s = static_cast<cudaStream_t>(stream);
    const dim3 blocks(static_cast<unsigned>(args.rows));
    GPT_LAUNCH(sum_pieces<R>, blocks, dim3(kThreads), 0, s, args);
    GPT_LAUNCH(add_pieces<R>, blocks, dim3(kThreads), 0, s, args);
    return static_cast<int>(cudaGetLastError());
  });
}

}  // namespace gpt
