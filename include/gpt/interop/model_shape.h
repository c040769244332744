// A GPT-2's sizes and the parameters they imply, without making one.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "gpt/config/model_config.h"

namespace gpt {

struct ModelShape {
  ModelConfig config;  // vocab_size is not read; head_chunk and attention play no part
  std::int64_t vocab_size = 0, block_size = 0;
};

struct ParameterShape {
  std::string name;  // "transformer.h.0.attn.c_attn.weight"
  std::vector<std::int64_t> shape;
};

// The names and shapes of Gpt::parameters(), in its order.
std::vector<ParameterShape> parameter_shapes(const ModelShape& shape);

// "[768, 50257]"
std::string shape_text(const std::vector<std::int64_t>& shape);

}  // namespace gpt
