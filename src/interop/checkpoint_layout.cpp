#include "gpt/interop/checkpoint_layout.h"

#include <algorithm>
#include <utility>

#include "gpt/base/error.h"
#include "gpt/base/strings.h"
#include "gpt/base/terminal.h"
#include "gpt/formats/torch_reader.h"

#include "wrapped_names.h"

namespace gpt {

namespace {

using Names = std::vector<std::string>;
using NamedValues = std::vector<std::pair<std::string, const PickleValue*>>;

constexpr std::size_t kLongestName = 300;

// The parts of a whole model that was saved (torch.save(model)) by their state_dict names.
// `budget` bounds the walk: modules may contain each other.
void flatten_module(const PickleValue& module, const std::string& prefix, int& budget,
                    NamedValues& out) {
  if (--budget < 0 || prefix.size() > kLongestName) return;
  for (const char* kind : {"_parameters", "_buffers", "_modules"}) {
    const PickleValue* held = find(module, kind);
    if (!held || !keyed_items(*held)) continue;
    for (const auto& [key, value] : keyed_items(*held)->items) {
      const auto* name = key->get_if<std::string>();
      if (!name || name->size() > kLongestName) continue;
      if (TorchReader::is_tensor(*value))
        out.emplace_back(prefix + *name, value);
      else
        flatten_module(*value, prefix + *name + ".", budget, out);
    }
  }
}

// The tensors of a state dict or of a whole model; none if the value is neither, or of no GPT-2.
NamedValues tensors_of_gpt2(const PickleValue& value) {
  NamedValues tensors;
  if (const PickleDict* dict = keyed_items(value))
    for (const auto& [key, item] : dict->items)
      if (const auto* name = key->get_if<std::string>();
          name && name->size() <= kLongestName && TorchReader::is_tensor(*item))
        tensors.emplace_back(*name, item);
  int modules = 20'000;
  if (tensors.empty() && find(value, "_modules")) flatten_module(value, "", modules, tensors);
  const bool gpt2 = std::any_of(tensors.begin(), tensors.end(), [](const auto& tensor) {
    return is_token_embedding(tensor.first) || is_adapter_name(tensor.first);
  });
  return gpt2 ? tensors : NamedValues();
}

// Text keys of a dict, those of `first` before the others.
NamedValues entries_of(const PickleValue& value, const Names& first) {
  NamedValues entries;
  const PickleDict* dict = keyed_items(value);
  if (!dict) return entries;
  for (const std::string& name : first)
    if (const PickleValue* item = find(value, name)) entries.emplace_back(name, item);
  for (const auto& [key, item] : dict->items)
    if (const auto* name = key->get_if<std::string>();
        name && std::find(first.begin(), first.end(), *name) == first.end())
      entries.emplace_back(*name, item);
  return entries;
}

// Sets the key and the value of the first of `names` that is there.
void find_first(const PickleValue& root, const Names& names, std::string* key,
                const PickleValue** value) {
  for (const std::string& name : names)
    if (const PickleValue* found = find(root, name)) {
      *key = name;
      *value = found;
      return;
    }
}

// "a dict of 'epoch', 'loss' and more"
std::string contents(const PickleValue& root) {
  Names names;
  for (const auto& [name, value] : entries_of(root, {})) names.push_back(quoted_name(name));
  if (names.empty()) return described(root);
  const bool more = names.size() > 8;
  if (more) names.resize(8);
  return "a dict of " + join(names, ", ") + (more ? " and more" : "");
}

bool find_model(const PickleValue& root, CheckpointLayout& layout) {
  layout.tensors = tensors_of_gpt2(root);
  if (!layout.tensors.empty()) return true;
  static const Names kUsual{"model",       "model_state_dict", "state_dict",
                            "model_state", "module",           "net"};
  for (const auto& [name, value] : entries_of(root, kUsual)) {
    layout.tensors = tensors_of_gpt2(*value);
    layout.model_key = name;
    if (!layout.tensors.empty()) return true;
  }
  return false;
}

void find_arguments(const PickleValue& root, CheckpointLayout& layout) {
  static const Names kUsual{"model_args", "config", "model_config", "args", "hyper_parameters"};
  for (const auto& [name, value] : entries_of(root, kUsual))
    if (keyed_items(*value) && (find(*value, "n_head") || name == "model_args")) {
      layout.arguments_key = name;
      layout.arguments = value;
      return;
    }
}

bool is_nothing(const PickleValue& value) {
  const PickleDict* dict = keyed_items(value);
  const auto* list = value.get_if<PickleList>();
  return value.get_if<PickleNone>() || (dict && dict->items.empty()) ||
         (list && list->items.empty());
}

void find_optimizer(const PickleValue& root, CheckpointLayout& layout) {
  static const Names kUsual{"optimizer", "optimizer_state_dict", "optimizer_state",
                            "optimizer_states", "optim"};
  find_first(root, kUsual, &layout.optimizer_key, &layout.optimizer);
  // Lightning keeps a list of them.
  if (const auto* list = layout.optimizer ? layout.optimizer->get_if<PickleList>() : nullptr;
      list && list->items.size() == 1)
    layout.optimizer = list->items[0];
  if (layout.optimizer && is_nothing(*layout.optimizer)) layout.optimizer = nullptr;
}

using Groups = std::vector<Names>;

// The orders that optimizers have been given parameters in.
std::vector<Groups> usual_groups(const ModelShape& shape) {
  Names all, matrices, vectors, linear, others;
  for (const ParameterShape& parameter : parameter_table(shape)) {
    all.push_back(parameter.name);
    (parameter.shape.size() >= 2 ? matrices : vectors).push_back(parameter.name);
    (is_gemm_weight(parameter.role) ? linear : others).push_back(parameter.name);
  }
  const auto with_head = [](Names names) {
    names.push_back("");  // a head of its own: the embedding's twin
    return names;
  };
  // nanoGPT until March 2023, as minGPT: embeddings do not decay, and names are sorted.
  std::sort(linear.begin(), linear.end());
  std::sort(others.begin(), others.end());
  return {{matrices, vectors},
          {with_head(matrices), vectors},
          {all},
          {with_head(all)},
          {linear, others}};
}

struct GivenGroup {
  std::vector<std::int64_t> indices;
  Names names;  // of newer versions of PyTorch, if it was given some
};

std::vector<GivenGroup> given_groups(const PickleValue& optimizer, const std::string& where) {
  std::vector<GivenGroup> groups;
  for (const PickleValue* group :
       items_of(member_of(optimizer, "param_groups", where), where + ": param_groups")) {
    GivenGroup given;
    for (const PickleValue* index :
         items_of(member_of(*group, "params", where + ": param_groups"), where + ": params"))
      given.indices.push_back(integer_of(*index, where + ": params"));
    if (const PickleValue* names = find(*group, "param_names"))
      for (const PickleValue* name : items_of(*names, where + ": param_names"))
        given.names.push_back(text_of(*name, where + ": param_names"));
    groups.push_back(std::move(given));
  }
  return groups;
}

std::map<std::string, std::int64_t> by_name(const std::vector<GivenGroup>& groups,
                                            const ModelShape& shape) {
  std::map<std::string, std::int64_t> indices;
  for (const GivenGroup& group : groups)
    for (std::size_t i = 0; i < group.names.size() && i < group.indices.size(); ++i)
      indices[without_wrappers(group.names[i])] = group.indices[i];
  for (const ParameterShape& parameter : parameter_table(shape))
    if (!indices.contains(parameter.name)) return {};
  return indices;
}

bool same_sizes(const Groups& groups, const std::vector<GivenGroup>& given) {
  return std::equal(
      groups.begin(), groups.end(), given.begin(), given.end(),
      [](const Names& a, const GivenGroup& b) { return a.size() == b.indices.size(); });
}

}  // namespace

CheckpointLayout find_layout(const PickleValue& root, const std::string& origin) {
  CheckpointLayout layout;
  if (!find_model(root, layout)) {
    if (find(root, "param_groups"))
      throw InputError(origin +
                       ": is the state of an optimizer; expected the model's file, which lies next "
                       "to it");
    throw InputError(concat(origin, ": holds no weights of a GPT-2 (no tensor transformer.wte.",
                            "weight), but ", contents(root), "; expected nanoGPT's ckpt.pt, or a ",
                            "state_dict() of a GPT-2 by itself or as 'model', 'state_dict' or ",
                            "'model_state_dict'"));
  }
  if (layout.model_key.empty()) return layout;
  find_arguments(root, layout);
  find_optimizer(root, layout);
  find_first(root, {"iter_num", "step", "global_step", "iteration", "iter"}, &layout.iteration_key,
             &layout.iteration);
  find_first(root, {"best_val_loss", "val_loss"}, &layout.loss_key, &layout.best_val_loss);
  if (const PickleValue* config = find(root, "config"); config && keyed_items(*config))
    layout.config = config;
  return layout;
}

std::map<std::string, std::int64_t> optimizer_indices(const PickleValue& optimizer,
                                                      const ModelShape& shape,
                                                      const std::string& where) {
  const std::vector<GivenGroup> given = given_groups(optimizer, where);
  if (auto named = by_name(given, shape); !named.empty()) return named;
  for (const Groups& groups : usual_groups(shape)) {
    if (!same_sizes(groups, given)) continue;
    std::map<std::string, std::int64_t> indices;
    for (std::size_t g = 0; g < groups.size(); ++g)
      for (std::size_t i = 0; i < groups[g].size(); ++i)
        indices[groups[g][i]] = given[g].indices[i];
    return indices;
  }
  Names sizes;
  for (const GivenGroup& group : given) sizes.push_back(std::to_string(group.indices.size()));
  const Groups usual = usual_groups(shape).front();
  throw InputError(concat(where, ": expected two groups of ", usual[0].size(), " and ",
                          usual[1].size(), " tensors, as nanoGPT's configure_optimizers makes ",
                          "them, or one of all, found ",
                          sizes.empty() ? "none" : join(sizes, ", ")));
}

}  // namespace gpt
