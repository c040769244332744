#include "gpt/interop/model_shape.h"

#include "gpt/base/strings.h"

namespace gpt {

std::vector<ParameterShape> parameter_shapes(const ModelShape& shape) {
  const std::int64_t C = shape.config.n_embd;
  std::vector<ParameterShape> list = {{"transformer.wte.weight", {shape.vocab_size, C}},
                                      {"transformer.wpe.weight", {shape.block_size, C}}};
  const auto add = [&](const std::string& name, std::vector<std::int64_t> weight) {
    const std::int64_t out = weight[0];
    list.push_back({name + ".weight", std::move(weight)});
    if (shape.config.bias) list.push_back({name + ".bias", {out}});
  };
  for (std::int64_t layer = 0; layer < shape.config.n_layer; ++layer) {
    const std::string block = concat("transformer.h.", layer);
    add(block + ".ln_1", {C});
    add(block + ".attn.c_attn", {3 * C, C});
    add(block + ".attn.c_proj", {C, C});
    add(block + ".ln_2", {C});
    add(block + ".mlp.c_fc", {4 * C, C});
    add(block + ".mlp.c_proj", {C, 4 * C});
  }
  add("transformer.ln_f", {C});
  return list;
}

std::string shape_text(const std::vector<std::int64_t>& shape) {
  std::vector<std::string> sizes;
  for (const std::int64_t size : shape) sizes.push_back(std::to_string(size));
  return "[" + join(sizes, ", ") + "]";
}

}  // namespace gpt
