// The memory of the CPU engine as its loops see it: pieces of a group's arena (cpu_shape.h).
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <type_traits>
#include <vector>

#include "gpt/base/arena.h"
#include "gpt/kernels/cpu/attention.h"
#include "gpt/kernels/gemm/gemm_backend.h"
#include "gpt/model/cpu_shape.h"

namespace gpt {

// N tokens, width C. X is the type of matmuls: float or Bf16.
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
    for (std::int64_t index = 0; index < shape.layers; ++index)
      layer.push_back(layer_buffers(shape, arena));
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
    for (unsigned char*& one : weight_block) one = take_weight_block(shape, arena);
    const std::int64_t attention_floats =
        attention_workspace(native_gemm<X>(C), shape.tokens, C / shape.heads, shape.documents);
    for (int rank = 0; rank < shape.threads; ++rank) {
      attention.push_back(arena.take<float>(attention_floats));
      gemm_workspace.push_back(take_gemm_workspace(shape, arena));
    }
  }

  std::vector<LayerBuffers<X>> layer;
  float *x_NC, *stats_N2;  // the last block's output and its statistics
  X* norm_NC;              // the last LayerNorm's output
  float* dx_NC;            // the residual stream's gradient
  float *narrow_NC, *wide_N4C;
  X *low_NC, *low_wide_N4C;
  float* logits_KV;
  X* dlogits_KV;
  std::array<unsigned char*, 2> weight_block;  // weights packed by all threads; null: none
  std::vector<float*> attention;               // of each thread
  std::vector<std::byte*> gemm_workspace;      // GEMM workspaces of each; null: MKL needs none

 private:
  static unsigned char* take_weight_block(const CpuShape& shape, Arena& arena) {
    return shape.weight_block_bytes > 0 ? arena.take<unsigned char>(shape.weight_block_bytes)
                                        : nullptr;
  }
  // The largest GEMMs are those of the MLP and the head, forward, backward and of their weights.
  static std::byte* take_gemm_workspace(const CpuShape& shape, Arena& arena) {
    const NativeGemm<X>* native = native_gemm<X>(shape.width);
    if (!native) return nullptr;
    const std::int64_t widest = std::max({shape.group, 4 * shape.width, shape.vocab});
    return arena.take<std::byte>(native->workspace_bytes({widest, widest, widest}));
  }
  // What a layer does not keep for backward, all of them share.
  LayerBuffers<X> layer_buffers(const CpuShape& shape, Arena& arena) const {
    const std::int64_t N = shape.group, C = shape.width;
    const bool first = layer.empty();
    LayerBuffers<X> l = first ? LayerBuffers<X>{} : layer.front();
    const auto own = [&](Recompute last) {
      return first || (shape.gradients && shape.recompute <= last);
    };
    if (own(Recompute::kBlock)) l.x_NC = arena.take<float>(N * C);
    if (own(Recompute::kMlp)) {
      l.stats1_N2 = arena.take<float>(2 * N);
      l.qkv_N3C = arena.take<X>(3 * N * C);
      l.attention_NC = arena.take<X>(N * C);
      l.lse_NH = arena.take<float>(N * shape.heads);
      l.middle_NC = arena.take<float>(N * C);
      l.stats2_N2 = arena.take<float>(2 * N);
    }
    if (own(Recompute::kNorm)) l.fc_N4C = arena.take<X>(4 * N * C);
    if (own(Recompute::kGelu)) {
      l.norm1_NC = arena.take<X>(N * C);
      l.norm2_NC = arena.take<X>(N * C);
    }
    if (own(Recompute::kNone)) l.gelu_N4C = arena.take<X>(4 * N * C);
    return l;
  }
};

}  // namespace gpt
