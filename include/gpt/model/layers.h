// The pieces of the eager engine: plain weights and ATen calls. Weights of matmuls are not set
// when a piece is made, biases are zero and LayerNorms' weights one, as nanoGPT begins.
#pragma once

#include <cstdint>
#include <string>

#include <ATen/core/Tensor.h>

#include "gpt/config/train_config.h"
#include "gpt/model/dropout_state.h"
#include "gpt/model/initial_draws.h"
#include "gpt/model/parameter.h"

namespace gpt {

inline constexpr double kInitStd = 0.02;  // of nanoGPT's weights

struct Linear {
  at::Tensor weight_OI, bias_O;  // bias undefined if there is none

  Linear(std::int64_t in, std::int64_t out, bool bias, const c10::Device& device);
  at::Tensor operator()(const at::Tensor& x) const;
  void collect(const std::string& prefix, ParameterList& list) const;
  // torch.nn.Linear's own draws: weight, then bias.
  void skip_default(InitialDraws& draws) const;
};

struct LayerNorm {
  static constexpr double kEpsilon = 1e-5;
  at::Tensor weight_C, bias_C;

  LayerNorm(std::int64_t width, bool bias, const c10::Device& device);
  at::Tensor operator()(const at::Tensor& x) const;
  void collect(const std::string& prefix, ParameterList& list) const;
};

struct SelfAttention {
  Linear c_attn, c_proj;
  std::int64_t heads;
  bool plain;  // the written-out oracle

  SelfAttention(const ModelConfig& config, const c10::Device& device);
  at::Tensor operator()(const at::Tensor& x_BTC, std::int64_t layer,
                        const DropoutState& dropout) const;
  // What lies between the two matmuls: from q, k and v side by side, (B,T,3C), to (B,T,C).
  at::Tensor attend(const at::Tensor& qkv, std::int64_t layer, const DropoutState& dropout) const;
};

struct Mlp {
  Linear c_fc, c_proj;
  std::string gelu;  // ATen's name: "none" or "tanh"

  Mlp(const ModelConfig& config, const c10::Device& device);
  at::Tensor operator()(const at::Tensor& x_BTC, std::int64_t layer,
                        const DropoutState& dropout) const;
};

struct Block {
  LayerNorm ln_1;
  SelfAttention attn;
  LayerNorm ln_2;
  Mlp mlp;

  Block(const ModelConfig& config, const c10::Device& device);
  at::Tensor operator()(const at::Tensor& x_BTC, std::int64_t layer,
                        const DropoutState& dropout) const;
  void collect(const std::string& prefix, ParameterList& list) const;

  // The draws of the modules when they are made, in their order.
  void skip_defaults(InitialDraws& draws) const;
  // Those of nanoGPT's init_weights; the projections come a second time, narrower, at the end.
  void draw(InitialDraws& draws) const;
  void draw_projections(InitialDraws& draws, double std) const;
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
