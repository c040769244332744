// The parameters of a GPT-2, once: what each is called, how large it is and what it is for. Initial
// weights, both engines, the decoder, the memory plan, checkpoints, import and export all follow
// this table.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "gpt/config/model_config.h"

namespace gpt {

// LayerNorms of the model (Ba et al. 2016) are the two of each block and the last one; GEMM weights
// have the shape (out, in).
enum class ParameterRole {
  kTokenEmbedding,     // (V, C), and the head's weight: they are tied
  kPositionEmbedding,  // (T, C)
  kNormWeight,         // (C), of a LayerNorm
  kNormBias,           // (C)
  kLinearWeight,       // of a GEMM within a block
  kProjectionWeight,   // of a GEMM whose output is added to the residual stream
  kLinearBias,         // (out)
};

constexpr bool is_bias(ParameterRole role) {
  return role == ParameterRole::kNormBias || role == ParameterRole::kLinearBias;
}
// The weights of a block's GEMMs: they are copied to the compute type, packed, offloaded, and
// stored transposed by Hugging Face (its Conv1D).
constexpr bool is_gemm_weight(ParameterRole role) {
  return role == ParameterRole::kLinearWeight || role == ParameterRole::kProjectionWeight;
}

// A parameter of any block. The sizes are in units of n_embd.
struct BlockParameter {
  const char* name;  // what follows "transformer.h.0."
  ParameterRole role;
  std::int64_t rows, columns;  // columns 0: a vector of `rows` units
  // That lie one below the other: of queries, keys and values.
  std::int64_t matrices = 1;

  constexpr std::int64_t elements(std::int64_t n_embd) const {
    return rows * n_embd * (columns == 0 ? 1 : columns * n_embd);
  }
};

// In the order of nanoGPT's named_parameters(). Without bias=True those that are biases are absent.
inline constexpr BlockParameter kBlockParameters[] = {
    {"ln_1.weight", ParameterRole::kNormWeight, 1, 0},
    {"ln_1.bias", ParameterRole::kNormBias, 1, 0},
    {"attn.c_attn.weight", ParameterRole::kLinearWeight, 3, 1, 3},
    {"attn.c_attn.bias", ParameterRole::kLinearBias, 3, 0},
    {"attn.c_proj.weight", ParameterRole::kProjectionWeight, 1, 1},
    {"attn.c_proj.bias", ParameterRole::kLinearBias, 1, 0},
    {"ln_2.weight", ParameterRole::kNormWeight, 1, 0},
    {"ln_2.bias", ParameterRole::kNormBias, 1, 0},
    {"mlp.c_fc.weight", ParameterRole::kLinearWeight, 4, 1},
    {"mlp.c_fc.bias", ParameterRole::kLinearBias, 4, 0},
    {"mlp.c_proj.weight", ParameterRole::kProjectionWeight, 1, 4},
    {"mlp.c_proj.bias", ParameterRole::kLinearBias, 1, 0},
};

// Calls visit(parameter) for each one that a block has.
template <class Visit>
constexpr void for_each_block_parameter(bool bias, Visit visit) {
  for (const BlockParameter& parameter : kBlockParameters)
    if (bias || !is_bias(parameter.role)) visit(parameter);
}

// A GPT-2's sizes.
struct ModelShape {
  ModelConfig config;  // vocab_size is not read; head_chunk and attention play no part
  std::int64_t vocab_size = 0, block_size = 0;
};

struct ParameterShape {
  std::string name;  // "transformer.h.0.attn.c_attn.weight"
  std::vector<std::int64_t> shape;
  ParameterRole role;
  std::int64_t matrices = 0;  // of GEMMs within a block, one below the other
};

// All parameters in the order of nanoGPT's named_parameters(), which is that of Gpt::parameters();
// the tied head is not listed twice.
std::vector<ParameterShape> parameter_table(const ModelShape& shape);

// "[768, 50257]"
std::string shape_text(const std::vector<std::int64_t>& shape);

}  // namespace gpt
