// GPT-2 for reading only: no gradients, no dropout, weights converted once to the type in which
// matmuls are computed. `sample` and `eval` run on it; Gpt (gpt.h) is the oracle in its tests.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include <ATen/core/Tensor.h>

#include "gpt/config/model_config.h"
#include "gpt/device/compute.h"
#include "gpt/model/layers.h"
#include "gpt/model/parameter.h"
#include "gpt/sampling/kv_cache.h"

namespace gpt {

class Decoder {
 public:
  // `weights`: nanoGPT's names, in any order, on any device; those of the right type and device are
  // shared, not copied. Matrices are kept in compute.type, vectors and positions in float32 (in
  // float64 everything is float64). vocab_size and block_size are those of the tensors. InputError
  // if a tensor is missing, is one too many, or does not fit `config`.
  Decoder(const ParameterList& weights, const ModelConfig& config, const Compute& compute);

  // From now on attention does not look beyond the `end_token` before a token, as it did not in
  // training with document_mask.
  void mask_documents(std::int64_t end_token) { document_end_ = end_token; }

  // (B, T) int64 tokens -> (B, T, C) activations after the last LayerNorm. With a cache the tokens
  // follow those in it, and join them; without, they start the text. The positions must end within
  // block_size. Sums and the residual stream are float32 whatever the matmuls are.
  at::Tensor forward(const at::Tensor& tokens_BT, KvCache* cache = nullptr) const;

  // (N, C) -> (N, V).
  at::Tensor logits(const at::Tensor& x_NC) const;

  KvCache make_cache(std::int64_t batch, std::int64_t capacity) const;
  std::int64_t cache_bytes(std::int64_t batch, std::int64_t capacity) const;

  std::int64_t vocab_size() const { return wte_VC_.size(0); }
  std::int64_t block_size() const { return wpe_TC_.size(0); }
  const at::Tensor& head_weight() const { return wte_VC_; }
  const c10::Device& device() const { return compute_.device; }

 private:
  Decoder(const TensorMap& tensors, const ModelConfig& config, const Compute& compute);

  at::Tensor linear(const at::Tensor& x_NI, const at::Tensor& weight_OI,
                    const at::Tensor& bias_O) const;
  at::Tensor seen_by(const at::Tensor& tokens_BT, KvCache* cache) const;
  at::Tensor attention(const at::Tensor& x_BTC, std::int64_t layer, KvCache* cache,
                       const at::Tensor& seen) const;
  at::Tensor mlp(const at::Tensor& x_BTC, const Mlp& mlp) const;
  KvCacheShape cache_shape(std::int64_t batch, std::int64_t capacity) const;

  ModelConfig config_;
  Compute compute_;
  at::ScalarType real_;  // of everything but matmuls
  std::optional<std::int64_t> document_end_;
  at::Tensor wte_VC_, wpe_TC_;
  std::vector<Block> h_;
  LayerNorm ln_f_;
};

}  // namespace gpt
