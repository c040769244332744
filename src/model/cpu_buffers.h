// The memory of the CPU engine: what a group of sequences needs from its forward pass to the end of
// its backward pass, cut from one arena that is allocated once. Groups follow each other in it, so
// it does not grow with the batch.
#pragma once

#include <cstdint>
#include <type_traits>
#include <utility>
#include <vector>

#include "gpt/kernels/cpu_attention.h"

namespace gpt {

struct CpuShape {
  std::int64_t layers, heads, width, vocab;
  std::int64_t tokens = 0;      // of a sequence, T
  std::int64_t group = 0;       // tokens of a group, a multiple of T
  std::int64_t head_chunk = 0;  // tokens whose logits exist at once
  int threads = 1;              // that work on a group together
  bool gradients = true;        // false: the layers share one layer's memory
};

// Hands out cache-line aligned pieces of a stretch of bytes; with a null base it only counts them.
class Arena {
 public:
  explicit Arena(std::byte* base) : base_(base) {}
  template <class T>
  T* take(std::int64_t count) {
    const std::int64_t begin =
        std::exchange(used_, used_ + (count * static_cast<std::int64_t>(sizeof(T)) + 63) / 64 * 64);
    return base_ ? reinterpret_cast<T*>(base_ + begin) : nullptr;
  }
  std::int64_t used() const { return used_; }  // bytes

 private:
  std::byte* base_;
  std::int64_t used_ = 0;
};

// N tokens, width C. X is the type of products: float or Bf16.
template <class X>
struct LayerBuffers {
  float *x_NC, *stats1_N2;  // the block's input; mean and 1/deviation
  X *norm1_NC, *qkv_N3C, *attention_NC;
  float *lse_NH, *middle_NC, *stats2_N2;  // middle: after attention's residual
  X *norm2_NC, *fc_N4C, *gelu_N4C;
};

template <class X>
struct CpuBuffers {
  CpuBuffers(const CpuShape& shape, Arena& arena) {
    const std::int64_t N = shape.group, C = shape.width;
    layer.resize(static_cast<std::size_t>(shape.gradients ? shape.layers : 1));
    for (LayerBuffers<X>& l : layer) {
      l = {arena.take<float>(N * C), arena.take<float>(2 * N), arena.take<X>(N * C),
           arena.take<X>(3 * N * C), arena.take<X>(N * C),     arena.take<float>(N * shape.heads),
           arena.take<float>(N * C), arena.take<float>(2 * N), arena.take<X>(N * C),
           arena.take<X>(4 * N * C), arena.take<X>(4 * N * C)};
    }
    x_NC = arena.take<float>(N * C);
    stats_N2 = arena.take<float>(2 * N);
    norm_NC = arena.take<X>(N * C);
    dx_NC = arena.take<float>(N * C);
    narrow_NC = arena.take<float>(N * C);
    wide_N4C = arena.take<float>(4 * N * C);
    low_NC = arena.take<X>(N * C);
    logits_KV = arena.take<float>(shape.head_chunk * shape.vocab);
    if constexpr (std::is_same_v<X, float>) {
      low_wide_N4C = wide_N4C;
      dlogits_KV = logits_KV;
    } else {
      low_wide_N4C = arena.take<X>(4 * N * C);
      dlogits_KV = arena.take<X>(shape.head_chunk * shape.vocab);
    }
    for (int rank = 0; rank < shape.threads; ++rank)
      attention.push_back(arena.take<float>(attention_workspace(shape.tokens, C / shape.heads)));
  }

  std::vector<LayerBuffers<X>> layer;
  float *x_NC, *stats_N2;  // the last block's output and its statistics
  X* norm_NC;              // the last LayerNorm's output
  float* dx_NC;            // the residual stream's gradient
  float *narrow_NC, *wide_N4C;
  X *low_NC, *low_wide_N4C;
  float* logits_KV;
  X* dlogits_KV;
  std::vector<float*> attention;  // of each thread
};

// Bytes of the arena of one group.
std::int64_t cpu_arena_bytes(const CpuShape& shape, bool low);

}  // namespace gpt
