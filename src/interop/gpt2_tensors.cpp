#include "gpt/interop/gpt2_tensors.h"

#include <algorithm>
#include <set>
#include <utility>

#include <ATen/ATen.h>

#include "gpt/base/error.h"
#include "gpt/base/strings.h"
#include "gpt/base/terminal.h"

#include "gpt2_names.h"
#include "wrapped_names.h"

namespace gpt {

namespace {

constexpr std::string_view kModel = "transformer.", kEmbedding = "wte.weight";

std::string weights_of_layer(std::int64_t layer) {
  return concat(kModel, "h.", layer, ".attn.c_attn.weight");
}

}  // namespace

Gpt2Tensors::Gpt2Tensors(std::vector<std::unique_ptr<TensorFile>> files, const std::string& origin,
                         Place place)
    : files_(std::move(files)), place_(std::move(place)) {
  index(origin);
  find_orientation();
}

void Gpt2Tensors::index(const std::string& origin) {
  std::map<std::string, Stored> given;
  std::string root;  // what stands before "wte.weight"
  bool found = false;
  for (const auto& file : files_)
    for (const std::string& stored : file->names()) {
      if (is_adapter_name(stored))
        throw InputError(place_(stored) +
                         " is a part of a LoRA adapter, not of a whole model; load it with peft, "
                         "merge_and_unload() it, and save_pretrained() the result");
      const std::string name = without_wrappers(stored);
      if (!given.emplace(name, Stored{file.get(), stored}).second)
        throw InputError(place_(stored) +
                         " comes twice, with and without its prefix or in two files; save the "
                         "model's state_dict() alone");
      if (!is_token_embedding(name)) continue;
      const std::string before = name.substr(0, name.size() - kEmbedding.size());
      if (found && before != root)
        throw InputError(concat(origin, ": holds two models, ", quoted_name(root), " and ",
                                quoted_name(before), "; save the state_dict() of one of them"));
      root = before;
      found = true;
    }
  if (!found)
    throw InputError(origin + ": tensor " + std::string(kModel) + std::string(kEmbedding) +
                     " is missing; expected the weights of a GPT-2");
  // "model.transformer." has its head at "model.lm_head.weight", "" at "lm_head.weight".
  const std::string outer =
      root.ends_with(kModel) ? root.substr(0, root.size() - kModel.size()) : root;
  for (const auto& [name, stored] : given) {
    if (is_mask(name)) continue;
    std::string ours;
    if (name == outer + kHeadName || name == kHeadName)
      ours = kHeadName;
    else if (name.starts_with(root))
      ours = std::string(kModel) + name.substr(root.size());
    else
      throw InputError(place_(stored.name) + " is none of GPT-2's tensors; expected those of " +
                       "nanoGPT's GPT or transformers' GPT2LMHeadModel");
    if (!places_.emplace(ours, stored).second)
      throw InputError(place_(stored.name) + " comes twice, with and without its prefix");
  }
}

void Gpt2Tensors::find_orientation() {
  const auto found = places_.find(weights_of_layer(0));
  if (found == places_.end()) return;
  const auto shape = found->second.file->shape(found->second.name);
  transposed_ = shape.size() == 2 && shape[1] == 3 * shape[0];
}

std::vector<std::int64_t> Gpt2Tensors::shape_of(const std::string& name) const {
  const auto found = places_.find(name);
  if (found == places_.end()) throw InputError(place_(name) + " is missing");
  return found->second.file->shape(found->second.name);
}

std::string Gpt2Tensors::place_of(const std::string& name) const {
  const auto found = places_.find(name);
  return place_(found == places_.end() ? name : found->second.name);
}

ModelShape Gpt2Tensors::sizes() const {
  constexpr std::int64_t kMostLayers = 1000, kMost = 10'000'000;
  ModelShape shape;
  const auto matrix = [&](const char* name) {
    const auto sizes = shape_of(std::string(kModel) + name);
    if (sizes.size() != 2 || sizes[0] < 1 || sizes[1] < 1 || sizes[0] > kMost || sizes[1] > kMost)
      throw InputError(concat(place_of(std::string(kModel) + name), " is ", shape_text(sizes),
                              ", expected a matrix"));
    return sizes;
  };
  const auto tokens = matrix("wte.weight"), positions = matrix("wpe.weight");
  shape.vocab_size = tokens[0];
  shape.block_size = positions[0];
  shape.config.n_embd = tokens[1];
  shape.config.vocab_size.value = shape.vocab_size;
  shape.config.n_layer = 0;
  while (shape.config.n_layer < kMostLayers &&
         places_.contains(weights_of_layer(shape.config.n_layer)))
    ++shape.config.n_layer;
  shape.config.bias = std::any_of(places_.begin(), places_.end(),
                                  [](const auto& entry) { return entry.first.ends_with(".bias"); });
  if (shape.config.n_layer == 0)
    throw InputError(place_(weights_of_layer(0)) + " is missing; expected at least one layer");
  return shape;
}

void Gpt2Tensors::check(const ModelShape& shape, const std::string& said_by) const {
  std::set<std::string> known;
  for (const ParameterShape& parameter : parameter_table(shape)) {
    known.insert(parameter.name);
    std::vector<std::int64_t> expected = parameter.shape;
    if (transposed_ && is_gemm_weight(parameter.role)) std::swap(expected[0], expected[1]);
    if (const auto found = shape_of(parameter.name); found != expected)
      throw InputError(concat(place_of(parameter.name), " is ", shape_text(found), ", ", said_by,
                              " ", shape_text(expected)));
  }
  for (const auto& [name, stored] : places_)
    if (name != kHeadName && !known.contains(name))
      throw InputError(concat(place_(stored.name), " is none of the tensors of a GPT-2 of ",
                              shape.config.n_layer, " layers",
                              shape.config.bias ? "" : " without biases"));
  const at::Tensor wte = weight("transformer.wte.weight");
  if (has_head() && !at::equal(weight(kHeadName), wte))
    throw InputError(place_of(kHeadName) +
                     " is not the token embedding; this program's head is tied to it, so train "
                     "the model with tied weights (lm_head.weight = wte.weight)");
}

bool Gpt2Tensors::is_turned(const std::string& name) const {
  return transposed_ && is_conv1d(name);
}

at::Tensor Gpt2Tensors::weight(const std::string& name) const {
  const auto found = places_.find(name);
  if (found == places_.end()) throw InputError(place_(name) + " is missing");
  const at::Tensor stored = found->second.file->read(found->second.name);
  if (!is_turned(name)) return stored;
  const at::Tensor turned = stored.t().contiguous();
  check_source(stored);
  return turned;
}

}  // namespace gpt
