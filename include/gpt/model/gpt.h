// GPT-2 (Radford et al. 2019) as nanoGPT trains it: pre-norm blocks, learned positions, tied head.
// The eager engine: the text to read first, and the oracle for faster ones.
#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include "gpt/config/offload.h"
#include "gpt/config/train_config.h"
#include "gpt/kernels/ops/lm_head.h"
#include "gpt/model/dropout_state.h"
#include "gpt/model/layers.h"
#include "gpt/model/parameter.h"
#include "gpt/model/parameter_table.h"

namespace gpt {

class Gpt {
 public:
  // vocab_size and block_size must be settled. Weights are float32 on the CPU, drawn from
  // `generator` in nanoGPT's order, so the same seed gives nanoGPT's weights bit for bit.
  Gpt(const ModelConfig& config, std::int64_t vocab_size, std::int64_t block_size,
      at::Generator& generator);
  // For weights that are copied into parameters(): those of matmuls and embeddings are not set.
  Gpt(const ModelConfig& config, std::int64_t vocab_size, std::int64_t block_size,
      const c10::Device& device = at::kCPU);

  // (B, T) int64 tokens -> (B, T, C) activations after the last LayerNorm. T <= block_size. With
  // `recompute_blocks` a block keeps its input alone and runs again in backward; the bits are the
  // same. `mask`: of documents, in the type of the matmuls (kernels/ops/attention.h).
  at::Tensor forward(const at::Tensor& tokens_BT, const DropoutState& dropout = {},
                     bool recompute_blocks = false, const at::Tensor& mask_B1TT = {}) const;

  // The loss of every next token; see lm_head.h. options.chunk 0 means this model's head_chunk.
  LmHeadLoss loss(const at::Tensor& tokens_BT, const at::Tensor& target_BT, LmHeadOptions options,
                  const DropoutState& dropout = {}, bool recompute_blocks = false,
                  const at::Tensor& mask_B1TT = {}) const;

  // (B, V) logits of the token after the last one, in the weights' type.
  at::Tensor next_logits(const at::Tensor& tokens_BT) const;

  // The parameter table and, in its order, the parameters. The tensors are leaves: data may be
  // copied into them in place, nothing else.
  const std::vector<ParameterShape>& table() const { return table_; }
  const ParameterList& parameters() const { return parameters_; }
  // Moves the weights; only before anything refers to parameters().
  // With Offload::kWeights the blocks' matrices stay in the host's memory, pinned for `device`:
  // only for an engine that computes with copies of them.
  void to(const c10::Device& device, Offload offload = Offload::kOff);
  void to(at::ScalarType type);

  std::int64_t layers() const { return static_cast<std::int64_t>(h_.size()); }
  std::int64_t vocab_size() const { return wte_VC_.size(0); }
  std::int64_t block_size() const { return wpe_TC_.size(0); }

  // As nanoGPT counts: without the position embedding.
  std::int64_t parameter_count() const;
  // Forward and backward FLOPs per token, appendix B of the PaLM paper (Chowdhery et al. 2022):
  // 6 N + 12 L H Q T.
  double flops_per_token() const;

  // The same weights, by the written-out attention.
  Gpt with_plain_attention() const;
  // A copy of the weights in another type.
  Gpt copied(at::ScalarType type) const;

  // Draws the weights as the first constructor does.
  void draw(at::Generator& generator) const;

 private:
  Gpt(const ModelConfig& config, const std::vector<ParameterShape>& table,
      const c10::Device& device);
  Gpt(const ModelConfig& config, std::vector<ParameterShape> table, const TensorMap& tensors);

  ModelConfig config_;
  std::vector<ParameterShape> table_;
  ParameterList parameters_;
  at::Tensor wte_VC_, wpe_TC_;
  std::vector<Block> h_;
  LayerNorm ln_f_;
};

}  // namespace gpt
