#include "gpt/model/parameter_table.h"

#include "gpt/base/strings.h"

namespace gpt {

std::vector<ParameterShape> parameter_table(const ModelShape& shape) {
  const std::int64_t C = shape.config.n_embd;
  std::vector<ParameterShape> list = {
      {"transformer.wte.weight", {shape.vocab_size, C}, ParameterRole::kTokenEmbedding},
      {"transformer.wpe.weight", {shape.block_size, C}, ParameterRole::kPositionEmbedding}};
  for (std::int64_t layer = 0; layer < shape.config.n_layer; ++layer) {
    const std::string block = concat("transformer.h.", layer, ".");
    for_each_block_parameter(shape.config.bias, [&](const BlockParameter& parameter) {
      std::vector<std::int64_t> sizes{parameter.rows * C};
      if (parameter.columns > 0) sizes.push_back(parameter.columns * C);
      list.push_back({block + parameter.name, std::move(sizes), parameter.role,
                      is_gemm_weight(parameter.role) ? parameter.matrices : 0});
    });
  }
  list.push_back({"transformer.ln_f.weight", {C}, ParameterRole::kNormWeight});
  if (shape.config.bias) list.push_back({"transformer.ln_f.bias", {C}, ParameterRole::kNormBias});
  return list;
}

std::string shape_text(const std::vector<std::int64_t>& shape) {
  std::vector<std::string> sizes;
  for (const std::int64_t size : shape) sizes.push_back(std::to_string(size));
  return "[" + join(sizes, ", ") + "]";
}

}  // namespace gpt
