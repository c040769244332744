// The shape of GPT-2 and the way it is computed.
#pragma once

#include <cstdint>
#include <string>

#include "gpt/config/check.h"
#include "gpt/config/field.h"

namespace gpt {

// GPT-2's tokens, and nanoGPT's count of them: padded to a multiple of 64.
inline constexpr std::int64_t kGpt2Vocabulary = 50257, kGpt2PaddedVocabulary = 50304;

struct ModelConfig {
  CONFIG(ModelConfig);
  FIELD(std::int64_t, n_layer, "Transformer blocks.", between(1, 1000)) = 12;
  FIELD(std::int64_t, n_head, "Attention heads; must divide n_embd.", between(1, 1000)) = 12;
  FIELD(std::int64_t, n_embd, "Width of the residual stream.", between(1, 100000)) = 768;
  FIELD(double, dropout, "Dropout probability; 0 for pretraining.", between(0.0, 0.999)) = 0.0;
  FIELD(bool, bias, "Biases in LayerNorm and linear layers, as in GPT-2.", anything()) = false;
  // Tokens on disk are uint16.
  FIELD(AutoInt, vocab_size, "Tokens in the vocabulary. auto: the dataset's meta.json, else 50304.",
        auto_or_between(2, 1 << 24)) = {};
  FIELD(std::string, gelu, "GELU by erf as nanoGPT has it, or by tanh as OpenAI's GPT-2.",
        one_of("exact", "tanh")) = "exact";
  FIELD(std::string, attention, "Fused kernels, or written out as the oracle of tests.",
        one_of("sdpa", "plain")) = "sdpa";
  FIELD(AutoInt, head_chunk, "Tokens whose logits exist at once in the LM head. auto: the plan's.",
        auto_or_between(1, kMostTokens)) = {};
  END_CONFIG;
};

}  // namespace gpt
