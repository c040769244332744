// What the passes of tiled attention have in common: tiles in shared memory, scores of a tile on
// their way through it, and which of them count. A block has rows of its own, 16 of them a warp,
// and lets tiles of other rows pass by: keys and values for queries (forward and dq), queries for
// keys (dk and dv). Products are nvcuda::wmma's, whose tiles lie in registers in an order that is
// not ours to know, so that what needs rows goes through a warp's scratch.
#pragma once

#include <mma.h>

#include "kernel_math.h"

namespace gpt {

constexpr int kTile = 16;  // rows and columns of a tile of wmma
constexpr int kAttentionWarps = 4, kAttentionThreads = 32 * kAttentionWarps;
constexpr int kOwnRows = kTile * kAttentionWarps, kPassingRows = 32;
constexpr int kLaneScores = 16;  // neighbours of a row: 16 x 32 or 32 x 16 scores, for 32 lanes
constexpr int kPack = 8;         // elements of 16 bits in a load
constexpr unsigned kAllLanes = 0xFFFFFFFFu;

// Products of bfloat16 came with sm_80.
#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 800
constexpr bool kBFloat16Products = true;
#else
constexpr bool kBFloat16Products = false;
#endif
template <class T>
constexpr bool kHasProducts = kBFloat16Products || !std::is_same_v<T, __nv_bfloat16>;

using ByRow = nvcuda::wmma::row_major;
using ByColumn = nvcuda::wmma::col_major;
template <class T, class Layout>
using LeftTile = nvcuda::wmma::fragment<nvcuda::wmma::matrix_a, kTile, kTile, kTile, T, Layout>;
template <class T, class Layout>
using RightTile = nvcuda::wmma::fragment<nvcuda::wmma::matrix_b, kTile, kTile, kTile, T, Layout>;
using SumTile = nvcuda::wmma::fragment<nvcuda::wmma::accumulator, kTile, kTile, kTile, float>;

// Elements from a row of a tile in shared memory to the next: 16 bytes more than it is wide, so
// that eight rows are in different banks.
template <int kWidth>
constexpr int kTileStride = kWidth + kPack;

// Where a warp's scores are in its scratch: of 16 queries and 32 keys, two lanes a query, or of 32
// queries and 16 keys, a lane each. Strides keep lanes in different banks.
struct OwnQueries {
  static constexpr int kStride = 36, kLowStride = 40;
  using Weights = ByRow;  // multiplied as they are
  __device__ static int row() { return threadIdx.x % 32 / 2; }
  __device__ static int column() { return threadIdx.x % 2 * kLaneScores; }
  // Of the second of the two tiles.
  template <int kRowStride>
  static constexpr int kSecond = kTile;
  template <int kRowStride>
  static constexpr int kLeftStep = 0;
  template <int kRowStride>
  static constexpr int kRightStep = kTile* kRowStride;
};
struct OwnKeys {
  static constexpr int kStride = 20, kLowStride = 24;
  using Weights = ByColumn;  // transposed
  __device__ static int row() { return threadIdx.x % 32; }
  __device__ static int column() { return 0; }
  template <int kRowStride>
  static constexpr int kSecond = kTile* kRowStride;
  template <int kRowStride>
  static constexpr int kLeftStep = kTile* kRowStride;
  template <int kRowStride>
  static constexpr int kRightStep = 0;
};
constexpr int kScratch = 32 * OwnKeys::kStride;  // floats of a warp, enough for both

// Bytes of tiles with so many rows, and of the scratch of all warps.
template <class T, int kWidth, int kRows>
constexpr std::size_t kSharedOf = kRows* kTileStride<kWidth> * sizeof(T) + kAttentionWarps* kScratch
                                                                               * sizeof(float);
template <class T, int kWidth>
constexpr std::size_t kForwardShared = kSharedOf<T, kWidth, kOwnRows + 2 * kPassingRows>;
template <class T, int kWidth>
constexpr std::size_t kBackwardShared = kSharedOf<T, kWidth, 2 * (kOwnRows + kPassingRows)>;

// The rows that are a block's own.
struct AttentionBlock {
  std::int64_t sequence, head, first;

  // Longest work first, whose end then is not waited for: the last queries, or the first keys.
  __device__ AttentionBlock(const TiledAttentionLaunch& args, bool queries) {
    const std::int64_t tiles = (args.tokens + kOwnRows - 1) / kOwnRows;
    const std::int64_t heads = blockIdx.x / tiles, tile = blockIdx.x % tiles;
    sequence = heads / args.heads;
    head = heads % args.heads;
    first = (queries ? tiles - 1 - tile : tile) * kOwnRows;
  }
  template <class T>
  const __device__ T* of(const HeadsOf<const void*>& all) const {
    return static_cast<const T*>(all.data) + sequence * all.sequence + head * all.head;
  }
  template <class T>
  __device__ T* of(const HeadsOf<void*>& all) const {
    return static_cast<T*>(all.data) + sequence * all.sequence + head * all.head;
  }
  // Of logsumexp and delta, for a token.
  __device__ std::int64_t row(const TiledAttentionLaunch& args, std::int64_t token) const {
    return (sequence * args.heads + head) * args.tokens + token;
  }
};

template <class T>
__device__ inline Pack<T, kPack> load_pack(const T* from, bool wide) {
  if (wide) return load<kPack>(from);
  Pack<T, kPack> pack;
  GPT_UNROLL
  for (int k = 0; k < kPack; ++k) pack.value[k] = from[k];
  return pack;
}

template <class T>
__device__ inline void store_pack(T* to, const Pack<T, kPack>& pack, bool wide) {
  if (wide) return store(to, pack);
  GPT_UNROLL
  for (int k = 0; k < kPack; ++k) to[k] = pack.value[k];
}

// kRows rows from `first` on into shared memory, by the whole block; zeros after the last token and
// the width, since what is multiplied by 0 must be a number.
template <int kRows, int kWidth, class T>
__device__ void load_rows(T* to, const T* from, std::int64_t stride, std::int64_t first,
                          const TiledAttentionLaunch& args, bool wide) {
  constexpr int kPacks = kWidth / kPack;
  GPT_UNROLL_BY(2)
  for (int i = threadIdx.x; i < kRows * kPacks; i += kAttentionThreads) {
    const int row = i / kPacks, column = i % kPacks * kPack;
    Pack<T, kPack> pack;
    if (first + row < args.tokens && column < args.width) {
      pack = load_pack(from + (first + row) * stride + column, wide);
    } else {
      GPT_UNROLL
      for (int k = 0; k < kPack; ++k) pack.value[k] = static_cast<T>(0.0f);
    }
    store(to + row * kTileStride<kWidth> + column, pack);
  }
}

// The scores of a query that a lane looks at: which of 16 neighbouring keys count, a bit each.
class QueryLane {
 public:
  __device__ QueryLane(const TiledAttentionLaunch& args, const AttentionBlock& block,
                       std::int64_t query)
      : stream_(args.dropout.stream), query_(query) {
    inside_ = query < args.tokens;
    start_ = !inside_     ? query + 1
             : args.start ? args.start[block.sequence * args.tokens + query]
                          : 0;
    first_weight_ = static_cast<std::uint64_t>(block.head * args.tokens + query) *
                    static_cast<std::uint64_t>(args.tokens);
    if (stream_.threshold == 0) return;
    sequence_ = static_cast<std::uint32_t>(args.dropout.sequence[block.sequence]);
    if (stream_.step_in_memory) stream_.step = static_cast<std::uint32_t>(*stream_.step_in_memory);
    stream_.step_in_memory = nullptr;
  }

  __device__ bool inside() const { return inside_; }

  // Neither after the query nor before its document.
  __device__ std::uint32_t visible(std::int64_t key) const {
    const std::int64_t last = query_ - key, first = start_ - key;
    if (last < 0 || first >= kLaneScores) return 0;
    std::uint32_t bits = last >= kLaneScores - 1 ? 0xFFFFu : (2u << last) - 1;
    if (first > 0) bits &= 0xFFFFu << first;
    return bits;
  }

  // Not dropped. A row of scores may begin within a block of Philox: then it takes one more.
  __device__ std::uint32_t kept(std::int64_t key) const {
    if (stream_.threshold == 0) return 0xFFFFu;
    const std::uint64_t first = first_weight_ + static_cast<std::uint64_t>(key);
    const auto skip = static_cast<unsigned>(first % 4);
    std::uint32_t bits = 0;
    GPT_UNROLL
    for (unsigned quad = 0; quad < kLaneScores / 4; ++quad)
      bits |= four(first / 4 + quad) << 4 * quad;
    if (skip > 0) bits = (bits | four(first / 4 + kLaneScores / 4) << kLaneScores) >> skip;
    return bits;
  }

 private:
  __device__ std::uint32_t four(std::uint64_t quad) const {
    const PhiloxBlock words = dropout_words(stream_, quad, sequence_);
    std::uint32_t bits = 0;
    GPT_UNROLL
    for (int k = 0; k < 4; ++k) bits |= (words.word[k] >= stream_.threshold ? 1u : 0u) << k;
    return bits;
  }

  DropoutStream stream_;
  std::int64_t query_, start_;
  std::uint64_t first_weight_;
  std::uint32_t sequence_ = 0;
  bool inside_;
};

// The products of 16 rows with 16 others, over the width.
template <int kWidth, class T>
__device__ SumTile row_products(const T* left, const T* right) {
  using namespace nvcuda;
  SumTile sums;
  wmma::fill_fragment(sums, 0.0f);
  GPT_UNROLL_BY(2)
  for (int d = 0; d < kWidth; d += kTile) {
    LeftTile<T, ByRow> a;
    RightTile<T, ByColumn> b;
    wmma::load_matrix_sync(a, left + d, kTileStride<kWidth>);
    wmma::load_matrix_sync(b, right + d, kTileStride<kWidth>);
    wmma::mma_sync(sums, a, b, sums);
  }
  return sums;
}

// This lane's 16 products of the warp's queries with its keys, or of the like. Whatever was in the
// scratch has been read by all.
template <class Own, int kWidth, class T>
__device__ void lane_products(const T* queries, const T* keys, float* scratch,
                              float (&mine)[kLaneScores]) {
  constexpr int kStride = kTileStride<kWidth>;
  GPT_UNROLL_BY(1)
  for (int n = 0; n < 2; ++n) {
    const SumTile sums = row_products<kWidth>(queries + n * Own::template kLeftStep<kStride>,
                                              keys + n * Own::template kRightStep<kStride>);
    nvcuda::wmma::store_matrix_sync(scratch + n * Own::template kSecond<Own::kStride>, sums,
                                    Own::kStride, nvcuda::wmma::mem_row_major);
  }
  __syncwarp();
  const float* row = scratch + Own::row() * Own::kStride + Own::column();
  GPT_UNROLL
  for (int k = 0; k < kLaneScores; k += 4) {
    const Pack<float, 4> pack = load<4>(row + k);
    GPT_UNROLL
    for (int i = 0; i < 4; ++i) mine[k + i] = pack.value[i];
  }
  __syncwarp();
}

// sums += the warp's weights, of which a lane gives 16, times the rows of the tile that passes by:
// an own row's sum over the 32 of those. The scratch is free before and after.
template <class Own, int kWidth, class T>
__device__ void add_weighted_rows(const float (&weights)[kLaneScores], const T* rows,
                                  float* scratch, SumTile (&sums)[kWidth / kTile]) {
  using namespace nvcuda;
  T* low = reinterpret_cast<T*>(scratch);
  T* mine = low + Own::row() * Own::kLowStride + Own::column();
  GPT_UNROLL
  for (int k = 0; k < kLaneScores; k += kPack) {
    Pack<T, kPack> pack;
    GPT_UNROLL
    for (int i = 0; i < kPack; ++i) pack.value[i] = static_cast<T>(weights[k + i]);
    store(mine + k, pack);
  }
  __syncwarp();
  GPT_UNROLL_BY(1)
  for (int n = 0; n < 2; ++n) {
    LeftTile<T, typename Own::Weights> a;
    wmma::load_matrix_sync(a, low + n * Own::template kSecond<Own::kLowStride>, Own::kLowStride);
    GPT_UNROLL
    for (int d = 0; d < kWidth / kTile; ++d) {
      RightTile<T, ByRow> b;
      wmma::load_matrix_sync(b, rows + n * kTile * kTileStride<kWidth> + d * kTile,
                             kTileStride<kWidth>);
      wmma::mma_sync(sums[d], a, b, sums[d]);
    }
  }
  __syncwarp();
}

// Sixteen columns of the warp's own rows, half of a row a lane: work(row, column, its 8 values).
template <class Work>
__device__ void with_rows(SumTile& sums, float* scratch, const Work& work) {
  using namespace nvcuda;
  wmma::store_matrix_sync(scratch, sums, OwnQueries::kStride, wmma::mem_row_major);
  __syncwarp();
  const int row = OwnQueries::row(), column = OwnQueries::column() / 2;
  work(row, column, scratch + row * OwnQueries::kStride + column);
  __syncwarp();
}

// The warp's own rows times `factor`, this lane's row's, to memory. `first`: the first row's token.
template <int kWidth, class T>
__device__ void write_rows(SumTile (&sums)[kWidth / kTile], float factor, float* scratch, T* to,
                           std::int64_t stride, std::int64_t first,
                           const TiledAttentionLaunch& args, bool wide) {
  GPT_UNROLL
  for (int d = 0; d < kWidth; d += kTile) {
    if (d >= args.width) break;
    with_rows(sums[d / kTile], scratch, [&](int row, int column, const float* values) {
      if (first + row >= args.tokens) return;
      Pack<T, kPack> pack;
      GPT_UNROLL
      for (int k = 0; k < kPack; ++k) pack.value[k] = static_cast<T>(values[k] * factor);
      store_pack(to + (first + row) * stride + d + column, pack, wide);
    });
  }
}

template <int kWidth>
__device__ void clear(SumTile (&sums)[kWidth / kTile]) {
  GPT_UNROLL
  for (int d = 0; d < kWidth / kTile; ++d) nvcuda::wmma::fill_fragment(sums[d], 0.0f);
}

// Widths are those of a tile in shared memory: the next larger one is padded with zeros.
template <class Run>
int for_tile_width(std::int64_t width, const Run& run) {
  if (width <= 32) return run(std::integral_constant<int, 32>());
  if (width <= 64) return run(std::integral_constant<int, 64>());
  if (width <= 96) return run(std::integral_constant<int, 96>());
  return run(std::integral_constant<int, 128>());
}

// Calls `run` with a null pointer of the type, if this card multiplies it.
template <class Run>
int for_product_type(Float type, const Run& run) {
  if (type == Float::kFloat16) return run(static_cast<__half*>(nullptr));
  int device = 0, major = 0;
  if (type != Float::kBFloat16 || cudaGetDevice(&device) != cudaSuccess ||
      cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device) != cudaSuccess ||
      major < 8)
    return cudaErrorInvalidValue;
  return run(static_cast<__nv_bfloat16*>(nullptr));
}

}  // namespace gpt
