// The pieces of the eager engine: plain weights and ATen calls, initialised as PyTorch's modules
// of the same name are, so that nanoGPT's draws come out in nanoGPT's order.
#pragma once

#include <cstdint>
#include <string>

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include "gpt/config/train_config.h"
#include "gpt/model/dropout_state.h"
#include "gpt/model/parameter.h"

namespace gpt {

struct Linear {
  at::Tensor weight_OI, bias_O;  // bias undefined if there is none

  // torch.nn.Linear's draws: weight and bias uniform in +-1/sqrt(in).
  Linear(std::int64_t in, std::int64_t out, bool bias, at::Generator& generator);
  at::Tensor operator()(const at::Tensor& x) const;
  void collect(const std::string& prefix, ParameterList& list) const;
  // nanoGPT's initialisation: weight normal(0, 0.02), bias zero.
  void init_gpt(at::Generator& generator);
};

struct LayerNorm {
  static constexpr double kEpsilon = 1e-5;
  at::Tensor weight_C, bias_C;

  LayerNorm(std::int64_t width, bool bias);
  at::Tensor operator()(const at::Tensor& x) const;
  void collect(const std::string& prefix, ParameterList& list) const;
};

struct SelfAttention {
  Linear c_attn, c_proj;
  std::int64_t heads;
  bool plain;  // the written-out oracle

  SelfAttention(const ModelConfig& config, at::Generator& generator);
  at::Tensor operator()(const at::Tensor& x_BTC, std::int64_t layer,
                        const DropoutState& dropout) const;
  // What lies between the two products: from q, k and v side by side, (B,T,3C), to (B,T,C).
  at::Tensor attend(const at::Tensor& qkv, std::int64_t layer, const DropoutState& dropout) const;
};

struct Mlp {
  Linear c_fc, c_proj;
  std::string gelu;  // ATen's name: "none" or "tanh"

  Mlp(const ModelConfig& config, at::Generator& generator);
  at::Tensor operator()(const at::Tensor& x_BTC, std::int64_t layer,
                        const DropoutState& dropout) const;
};

struct Block {
  LayerNorm ln_1;
  SelfAttention attn;
  LayerNorm ln_2;
  Mlp mlp;

  Block(const ModelConfig& config, at::Generator& generator);
  at::Tensor operator()(const at::Tensor& x_BTC, std::int64_t layer,
                        const DropoutState& dropout) const;
  void collect(const std::string& prefix, ParameterList& list) const;
  void init_gpt(at::Generator& generator);
};

// The dropouts of a block; the last is that of the embedding, whose layer is -1.
enum Site { kAttentionWeights, kAttentionOutput, kMlpOutput, kEmbedding };

// x through dropout number `site` of `layer`; x itself if dropout is off.
at::Tensor apply_dropout(const at::Tensor& x, const DropoutState& dropout, std::int64_t layer,
                         int site);

}  // namespace gpt
