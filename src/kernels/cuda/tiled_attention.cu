// Attention in tiles, after FlashAttention-2 (Dao, 2023): scores live in shared memory and
// registers alone, softmax is the online one (Milakov and Gimelshein, 2018), and backward computes
// the weights again from the logarithm of each row's sum. The mask of dropout is that of
// causal_softmax.cu, which no kernel of a library draws. Nothing is added up by atomics: a block of
// keys sums dk and dv over the queries, a block of queries dq over the keys, so that each weight is
// computed twice in backward, and results have the same bits every time.
#include "attention_tiles.h"

namespace gpt {

namespace {

constexpr float kLog2E = 1.4426950408889634f;
constexpr std::size_t kSharedUnasked = 48 << 10;  // what every device gives without being asked

// A row's weights are relative to `most`, the largest of its scores or at most 2^kSlack below: that
// it grows is waited for, since rows in registers are not easily scaled.
constexpr float kSlack = 8;

struct OnlineSoftmax {
  float most = -INFINITY;
  float sum = 0;  // of this lane's half of the row

  // Scores become weights; returns by what earlier ones are to be multiplied.
  __device__ float include(float (&scores)[kLaneScores], std::uint32_t visible) {
    float top = -INFINITY;
    GPT_UNROLL
    for (int k = 0; k < kLaneScores; ++k)
      if ((visible >> k & 1) && scores[k] > top) top = scores[k];
    const float other = __shfl_xor_sync(kAllLanes, top, 1);
    if (other > top) top = other;
    float factor = 1;
    if (top > most + kSlack) {
      factor = exp2f(most - top);
      most = top;
      sum *= factor;
    }
    GPT_UNROLL
    for (int k = 0; k < kLaneScores; ++k) {
      scores[k] = visible >> k & 1 ? exp2f(scores[k] - most) : 0.0f;
      sum += scores[k];
    }
    return factor;
  }
};

// y of every row, as this lane's row says.
template <int kWidth>
__device__ void scale_rows(SumTile (&y)[kWidth / kTile], float factor, float* scratch) {
  GPT_UNROLL
  for (int d = 0; d < kWidth / kTile; ++d) {
    with_rows(y[d], scratch, [&](int, int, float* values) {
      GPT_UNROLL
      for (int k = 0; k < kPack; ++k) values[k] *= factor;
    });
    nvcuda::wmma::load_matrix_sync(y[d], scratch, OwnQueries::kStride, nvcuda::wmma::mem_row_major);
    __syncwarp();
  }
}

// Where a block's first key is, a multiple of the tiles that pass by.
__device__ std::int64_t first_key(const TiledAttentionLaunch& args, const AttentionBlock& block) {
  if (!args.start) return 0;
  return args.start[block.sequence * args.tokens + block.first] / kPassingRows * kPassingRows;
}

__device__ void drop(float (&weights)[kLaneScores], std::uint32_t kept) {
  GPT_UNROLL
  for (int k = 0; k < kLaneScores; ++k)
    if (!(kept >> k & 1)) weights[k] = 0;
}

template <class T, int kWidth>
__device__ void forward_block(const TiledAttentionLaunch& args, bool wide) {
  constexpr int kStride = kTileStride<kWidth>;
  GPT_SHARED(T, shared);
  const int warp = threadIdx.x / 32;
  T *queries = shared, *keys = queries + kOwnRows * kStride,
    *values = keys + kPassingRows * kStride;
  float* scratch = reinterpret_cast<float*>(values + kPassingRows * kStride) + warp * kScratch;
  const AttentionBlock block(args, /*queries=*/true);
  const std::int64_t own = block.first + warp * kTile;
  const QueryLane lane(args, block, own + OwnQueries::row());
  load_rows<kOwnRows, kWidth>(queries, block.of<T>(args.q), args.q.token, block.first, args, wide);
  SumTile y[kWidth / kTile];
  clear<kWidth>(y);
  OnlineSoftmax softmax;
  const float scale = static_cast<float>(args.scale) * kLog2E;
  const std::int64_t end =
      block.first + kOwnRows < args.tokens ? block.first + kOwnRows : args.tokens;
  for (std::int64_t key = first_key(args, block); key < end; key += kPassingRows) {
    __syncthreads();
    load_rows<kPassingRows, kWidth>(keys, block.of<T>(args.k), args.k.token, key, args, wide);
    load_rows<kPassingRows, kWidth>(values, block.of<T>(args.v), args.v.token, key, args, wide);
    __syncthreads();
    const std::uint32_t visible = lane.visible(key + OwnQueries::column());
    if (!__any_sync(kAllLanes, visible != 0)) continue;
    float weights[kLaneScores];
    lane_products<OwnQueries, kWidth>(queries + warp * kTile * kStride, keys, scratch, weights);
    GPT_UNROLL
    for (int k = 0; k < kLaneScores; ++k) weights[k] *= scale;
    const bool before = softmax.sum > 0;
    const float factor = softmax.include(weights, visible);
    if (__any_sync(kAllLanes, before && factor != 1)) scale_rows<kWidth>(y, factor, scratch);
    if (visible) drop(weights, lane.kept(key + OwnQueries::column()));
    add_weighted_rows<OwnQueries, kWidth>(weights, values, scratch, y);
  }
  const float sum = softmax.sum + __shfl_xor_sync(kAllLanes, softmax.sum, 1);
  if (lane.inside() && threadIdx.x % 2 == 0)
    args.logsumexp[block.row(args, own + OwnQueries::row())] = softmax.most + log2f(sum);
  const float factor = static_cast<float>(args.dropout.stream.scale) / sum;
  write_rows<kWidth>(y, factor, scratch, block.of<T>(args.y), args.y.token, own, args, wide);
}

// The sum of dy * y of a lane's row, by the two lanes that have it.
template <class T>
__device__ float row_delta(const T* dy, const T* y, std::int64_t width, bool wide) {
  const int half = static_cast<int>(width / 2), first = threadIdx.x % 2 * half;
  float sum = 0;
  for (int c = first; c < first + half; c += kPack) {
    const Pack<T, kPack> a = load<kPack>(dy + c), b = load_pack(y + c, wide);
    GPT_UNROLL
    for (int k = 0; k < kPack; ++k)
      sum += static_cast<float>(a.value[k]) * static_cast<float>(b.value[k]);
  }
  return sum;
}

// What a query's weights and their gradients are made with.
struct RowGradient {
  float scale, log2_scale, dropout_scale;
  float logsumexp = 0, delta = 0;

  __device__ RowGradient(const TiledAttentionLaunch& args)
      : scale(static_cast<float>(args.scale)),
        log2_scale(scale * kLog2E),
        dropout_scale(static_cast<float>(args.dropout.stream.scale)) {}

  __device__ void weights(float (&scores)[kLaneScores], std::uint32_t visible) const {
    GPT_UNROLL
    for (int k = 0; k < kLaneScores; ++k)
      scores[k] = visible >> k & 1 ? exp2f(scores[k] * log2_scale - logsumexp) : 0.0f;
  }

  // From the gradients of dropped weights to those of scores, dS = P * (drop(dW) - delta).
  __device__ void scores(float (&gradient)[kLaneScores], const float (&weights)[kLaneScores],
                         std::uint32_t visible, std::uint32_t kept) const {
    GPT_UNROLL
    for (int k = 0; k < kLaneScores; ++k) {
      const float down = kept >> k & 1 ? gradient[k] * dropout_scale : 0.0f;
      gradient[k] = visible >> k & 1 ? weights[k] * (down - delta) * scale : 0.0f;
    }
  }
};

template <class T, int kWidth>
__device__ void query_gradient_block(const TiledAttentionLaunch& args, bool wide) {
  constexpr int kStride = kTileStride<kWidth>;
  GPT_SHARED(T, shared);
  const int warp = threadIdx.x / 32;
  T *queries = shared, *up = queries + kOwnRows * kStride, *keys = up + kOwnRows * kStride,
    *values = keys + kPassingRows * kStride;
  float* scratch = reinterpret_cast<float*>(values + kPassingRows * kStride) + warp * kScratch;
  const AttentionBlock block(args, /*queries=*/true);
  const std::int64_t own = block.first + warp * kTile, query = own + OwnQueries::row();
  const QueryLane lane(args, block, query);
  load_rows<kOwnRows, kWidth>(queries, block.of<T>(args.q), args.q.token, block.first, args, wide);
  load_rows<kOwnRows, kWidth>(up, block.of<T>(args.dy), args.dy.token, block.first, args, wide);
  __syncthreads();
  const T *own_queries = queries + warp * kTile * kStride, *own_up = up + warp * kTile * kStride;
  RowGradient row(args);
  if (lane.inside()) {
    row.logsumexp = args.logsumexp[block.row(args, query)];
    row.delta = row_delta(own_up + OwnQueries::row() * kStride,
                          static_cast<const T*>(block.of<T>(args.y)) + query * args.y.token,
                          args.width, wide);
  }
  row.delta += __shfl_xor_sync(kAllLanes, row.delta, 1);
  if (lane.inside() && threadIdx.x % 2 == 0) args.delta[block.row(args, query)] = row.delta;

  SumTile dq[kWidth / kTile];
  clear<kWidth>(dq);
  const std::int64_t end =
      block.first + kOwnRows < args.tokens ? block.first + kOwnRows : args.tokens;
  for (std::int64_t key = first_key(args, block); key < end; key += kPassingRows) {
    __syncthreads();
    load_rows<kPassingRows, kWidth>(keys, block.of<T>(args.k), args.k.token, key, args, wide);
    load_rows<kPassingRows, kWidth>(values, block.of<T>(args.v), args.v.token, key, args, wide);
    __syncthreads();
    const std::uint32_t visible = lane.visible(key + OwnQueries::column());
    if (!__any_sync(kAllLanes, visible != 0)) continue;
    float weights[kLaneScores], gradient[kLaneScores];
    lane_products<OwnQueries, kWidth>(own_queries, keys, scratch, weights);
    row.weights(weights, visible);
    lane_products<OwnQueries, kWidth>(own_up, values, scratch, gradient);
    row.scores(gradient, weights, visible, visible ? lane.kept(key + OwnQueries::column()) : 0);
    add_weighted_rows<OwnQueries, kWidth>(gradient, keys, scratch, dq);
  }
  write_rows<kWidth>(dq, 1, scratch, block.of<T>(args.dq), args.dq.token, own, args, wide);
}

template <class T, int kWidth>
__device__ void key_gradient_block(const TiledAttentionLaunch& args, bool wide) {
  constexpr int kStride = kTileStride<kWidth>;
  GPT_SHARED(T, shared);
  const int warp = threadIdx.x / 32;
  T *keys = shared, *values = keys + kOwnRows * kStride, *queries = values + kOwnRows * kStride,
    *up = queries + kPassingRows * kStride;
  float* scratch = reinterpret_cast<float*>(up + kPassingRows * kStride) + warp * kScratch;
  const AttentionBlock block(args, /*queries=*/false);
  const std::int64_t own = block.first + warp * kTile;
  load_rows<kOwnRows, kWidth>(keys, block.of<T>(args.k), args.k.token, block.first, args, wide);
  load_rows<kOwnRows, kWidth>(values, block.of<T>(args.v), args.v.token, block.first, args, wide);
  const T *own_keys = keys + warp * kTile * kStride, *own_values = values + warp * kTile * kStride;
  SumTile dk[kWidth / kTile], dv[kWidth / kTile];
  clear<kWidth>(dk);
  clear<kWidth>(dv);
  RowGradient row(args);
  for (std::int64_t query = block.first; query < args.tokens; query += kPassingRows) {
    // No later query sees them, either.
    if (args.start && args.start[block.sequence * args.tokens + query] >= block.first + kOwnRows)
      break;
    __syncthreads();
    load_rows<kPassingRows, kWidth>(queries, block.of<T>(args.q), args.q.token, query, args, wide);
    load_rows<kPassingRows, kWidth>(up, block.of<T>(args.dy), args.dy.token, query, args, wide);
    __syncthreads();
    const QueryLane lane(args, block, query + OwnKeys::row());
    const std::uint32_t visible = lane.visible(own);
    if (!__any_sync(kAllLanes, visible != 0)) continue;
    if (lane.inside()) {
      row.logsumexp = args.logsumexp[block.row(args, query + OwnKeys::row())];
      row.delta = args.delta[block.row(args, query + OwnKeys::row())];
    }
    float weights[kLaneScores], work[kLaneScores];
    lane_products<OwnKeys, kWidth>(queries, own_keys, scratch, weights);
    row.weights(weights, visible);
    const std::uint32_t kept = visible ? lane.kept(own) : 0;
    GPT_UNROLL
    for (int k = 0; k < kLaneScores; ++k) work[k] = weights[k];
    drop(work, kept);
    add_weighted_rows<OwnKeys, kWidth>(work, up, scratch, dv);
    lane_products<OwnKeys, kWidth>(up, own_values, scratch, work);
    row.scores(work, weights, visible, kept);
    add_weighted_rows<OwnKeys, kWidth>(work, queries, scratch, dk);
  }
  write_rows<kWidth>(dk, 1, scratch, block.of<T>(args.dk), args.dk.token, own, args, wide);
  write_rows<kWidth>(dv, row.dropout_scale, scratch, block.of<T>(args.dv), args.dv.token, own, args,
                     wide);
}

template <class T, int kWidth>
__global__ void __launch_bounds__(kAttentionThreads)
    tiled_forward(TiledAttentionLaunch args, bool wide) {
  if constexpr (kHasProducts<T>) forward_block<T, kWidth>(args, wide);
}
template <class T, int kWidth>
__global__ void __launch_bounds__(kAttentionThreads)
    tiled_query_gradient(TiledAttentionLaunch args, bool wide) {
  if constexpr (kHasProducts<T>) query_gradient_block<T, kWidth>(args, wide);
}
template <class T, int kWidth>
__global__ void __launch_bounds__(kAttentionThreads)
    tiled_key_gradient(TiledAttentionLaunch args, bool wide) {
  if constexpr (kHasProducts<T>) key_gradient_block<T, kWidth>(args, wide);
}

// May rows of 8 elements be loaded and stored at once?
template <class T, class Pointer>
bool wide_rows(const HeadsOf<Pointer>& all) {
  return aligned<T, kPack>(all.data) && all.sequence % kPack == 0 && all.head % kPack == 0 &&
         all.token % kPack == 0;
}

// A block for each 64 tokens of a head.
template <class Kernel>
int launch(Kernel kernel, std::size_t shared, const TiledAttentionLaunch& args, bool wide,
           cudaStream_t stream) {
  const std::int64_t blocks = (args.tokens + kOwnRows - 1) / kOwnRows * args.sequences * args.heads;
  if (blocks > 0x7FFFFFFF) return cudaErrorInvalidValue;
  if (shared > kSharedUnasked) {
    const cudaError_t status = cudaFuncSetAttribute(
        kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(shared));
    if (status != cudaSuccess) {
      static_cast<void>(cudaGetLastError());  // or the next launch would be blamed for it
      return status;
    }
  }
  GPT_LAUNCH(kernel, dim3(static_cast<unsigned>(blocks)), dim3(kAttentionThreads), shared, stream,
             args, wide);
  return cudaGetLastError();
}

// Calls run(kernels' type, width of their tiles, wide rows).
template <class Run>
int for_kernels(const TiledAttentionLaunch& args, const Run& run) {
  if (args.sequences == 0 || args.tokens == 0) return cudaSuccess;
  return for_product_type(args.type, [&](auto* null) {
    using T = GPT_POINTEE(null);
    const bool wide = wide_rows<T>(args.q) && wide_rows<T>(args.k) && wide_rows<T>(args.v) &&
                      wide_rows<T>(args.y) && wide_rows<T>(args.dy) && wide_rows<T>(args.dq) &&
                      wide_rows<T>(args.dk) && wide_rows<T>(args.dv);
    return for_tile_width(args.width, [&](auto width) { return run(null, width, wide); });
  });
}

}  // namespace

int launch_tiled_attention(const TiledAttentionLaunch& args, void* stream) {
  return for_kernels(args, [&](auto* null, auto width, bool wide) {
    using T = GPT_POINTEE(null);
    constexpr int kWidth = decltype(width)::value;
    return launch(tiled_forward<T, kWidth>, kForwardShared<T, kWidth>, args, wide,
                  static_cast<cudaStream_t>(stream));
  });
}

int launch_tiled_attention_backward(const TiledAttentionLaunch& args, void* stream) {
  return for_kernels(args, [&](auto* null, auto width, bool wide) {
    using T = GPT_POINTEE(null);
    constexpr int kWidth = decltype(width)::value;
    const int status = launch(tiled_query_gradient<T, kWidth>, kBackwardShared<T, kWidth>, args,
                              wide, static_cast<cudaStream_t>(stream));
    if (status != cudaSuccess) return status;
    return launch(tiled_key_gradient<T, kWidth>, kBackwardShared<T, kWidth>, args, wide,
                  static_cast<cudaStream_t>(stream));
  });
}

}  // namespace gpt
