// The layers of GPT-2: the weights of each, and its forward pass by plain ATen calls. The eager
// engine computes with them; the decoder (gpt/sampling/decoder.h) keeps its weights in them.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>

#include <ATen/core/Tensor.h>

#include "gpt/config/train_config.h"
#include "gpt/model/dropout_state.h"

namespace gpt {

// Parameters by their names in the parameter table; a layer takes those that begin with its prefix.
using TensorMap = std::map<std::string, at::Tensor>;

struct Linear {
  at::Tensor weight_OI, bias_O;  // bias undefined if there is none

  Linear(const TensorMap& tensors, const std::string& prefix);
  at::Tensor operator()(const at::Tensor& x) const;
};

struct LayerNorm {
  at::Tensor weight_C, bias_C;

  LayerNorm(const TensorMap& tensors, const std::string& prefix);
  at::Tensor operator()(const at::Tensor& x) const;
};

struct SelfAttention {
  Linear c_attn, c_proj;
  std::int64_t heads;
  bool plain;  // the written-out oracle

  SelfAttention(const ModelConfig& config, const TensorMap& tensors, const std::string& prefix);
  at::Tensor operator()(const at::Tensor& x_BTC, std::int64_t layer, const DropoutState& dropout,
                        const at::Tensor& mask_B1TT) const;
  // (B,T,3C) to q, k and v, each (B,H,T,D) as a view.
  std::array<at::Tensor, 3> split_heads(const at::Tensor& qkv_BTK) const;
  // What lies between the two matmuls: from q, k and v next to each other, (B,T,3C), to (B,T,C).
  // mask: of documents (kernels/ops/attention.h), or undefined.
  at::Tensor attend(const at::Tensor& qkv, std::int64_t layer, const DropoutState& dropout,
                    const at::Tensor& mask_B1TT) const;
};

struct Mlp {
  Linear c_fc, c_proj;
  std::string gelu;  // ATen's name: "none" or "tanh"

  Mlp(const ModelConfig& config, const TensorMap& tensors, const std::string& prefix);
  at::Tensor operator()(const at::Tensor& x_BTC, std::int64_t layer,
                        const DropoutState& dropout) const;
};

struct Block {
  LayerNorm ln_1;
  SelfAttention attn;
  LayerNorm ln_2;
  Mlp mlp;

  // `prefix`: "transformer.h.0.".
  Block(const ModelConfig& config, const TensorMap& tensors, const std::string& prefix);
  at::Tensor operator()(const at::Tensor& x_BTC, std::int64_t layer, const DropoutState& dropout,
                        const at::Tensor& mask_B1TT = {}) const;
};

// The dropouts of a block; the last is that of the embedding, whose layer is -1.
enum Site { kAttentionWeights, kAttentionOutput, kMlpOutput, kEmbedding };

// With the indices, if there is dropout, where the model computes: pinned on the way, or the host
// would wait for the copy.
DropoutState on_device(DropoutState dropout, const c10::Device& device);

// x through dropout number `site` of `layer`; x itself if dropout is off.
at::Tensor apply_dropout(const at::Tensor& x, const DropoutState& dropout, std::int64_t layer,
                         int site);

}  // namespace gpt
