#include "gpt/interop/nanogpt_checkpoint.h"

#include <ATen/ATen.h>

#include "gpt/base/error.h"
#include "gpt/base/strings.h"
#include "gpt/base/terminal.h"
#include "gpt/interop/tensor_file.h"

#include "gpt2_names.h"

namespace gpt {

namespace {

constexpr std::string_view kCompiled = "_orig_mod.";

std::string quoted(const std::string& section, const std::string& key) {
  return ": " + section + "[" + quoted_name(key) + "]";
}

std::int64_t size_of(const PickleValue& arguments, const char* key, const std::string& where) {
  const std::string place = where + quoted("model_args", key);
  const std::int64_t value = integer_of(member_of(arguments, key, where + ": model_args"), place);
  if (value < 1 || value > 10'000'000)
    throw InputError(concat(place, ": expected a size from 1 up, found ", value));
  return value;
}

}  // namespace

NanogptCheckpoint::NanogptCheckpoint(const std::filesystem::path& path) : file_(path) {
  for (const char* key : {"model", "model_args"})
    if (!find(file_.root(), key))
      throw InputError(origin() + ": has no '" + key + "': expected nanoGPT's ckpt.pt, a dict of " +
                       "model, optimizer, model_args, iter_num, best_val_loss and config");
  read_shape();
  index_weights();
  read_run();
}

void NanogptCheckpoint::read_shape() {
  const PickleValue& arguments = member_of(file_.root(), "model_args", origin());
  ModelConfig& config = shape_.config;
  config.n_layer = size_of(arguments, "n_layer", origin());
  config.n_head = size_of(arguments, "n_head", origin());
  config.n_embd = size_of(arguments, "n_embd", origin());
  shape_.block_size = size_of(arguments, "block_size", origin());
  shape_.vocab_size = size_of(arguments, "vocab_size", origin());
  // nanoGPT before this switch had biases everywhere.
  const PickleValue* bias = find(arguments, "bias");
  config.bias = !bias || bool_of(*bias, origin() + quoted("model_args", "bias"));
  if (const PickleValue* dropout = find(arguments, "dropout"))
    config.dropout = number_of(*dropout, origin() + quoted("model_args", "dropout"));
  config.vocab_size.value = shape_.vocab_size;
  if (config.n_layer > 1000 || config.n_embd % config.n_head != 0)
    throw InputError(concat(origin(), ": model_args: ", config.n_layer, " layers, ", config.n_head,
                            " heads and a width of ", config.n_embd, " make no GPT-2"));
  parameters_ = parameter_table(shape_);
}

void NanogptCheckpoint::index_weights() {
  std::map<std::string, const PickleValue*> given;
  for (const auto& [key, value] :
       dict_of(member_of(file_.root(), "model", origin()), origin() + ": model").items) {
    std::string name = text_of(*key, origin() + ": a key of model");
    if (name.starts_with(kCompiled)) name.erase(0, kCompiled.size());
    if (!is_mask(name)) given[name] = value;
  }
  for (const ParameterShape& parameter : parameters_) {
    const auto found = given.find(parameter.name);
    if (found == given.end())
      throw InputError(origin() + quoted("model", parameter.name) + ": is missing");
    const std::string where = origin() + quoted("model", parameter.name);
    if (const auto shape = file_.tensor(*found->second, where).shape; shape != parameter.shape)
      throw InputError(where + ": is " + shape_text(shape) + ", model_args says " +
                       shape_text(parameter.shape));
    weights_[parameter.name] = found->second;
    given.erase(found);
  }
  if (const auto head = given.find(kHead); head != given.end()) {
    const at::Tensor wte = weight("transformer.wte.weight");
    if (!at::equal(tensor(*head->second, origin() + quoted("model", kHead)), wte))
      throw InputError(origin() + quoted("model", kHead) +
                       ": is not the token embedding; this program's head is tied to it");
    given.erase(head);
  }
  if (!given.empty())
    throw InputError(origin() + quoted("model", given.begin()->first) +
                     ": nanoGPT's model has no such tensor");
}

void NanogptCheckpoint::read_run() {
  if (const PickleValue* iteration = find(file_.root(), "iter_num"))
    iteration_ = integer_of(*iteration, origin() + ": iter_num");
  if (iteration_ < 0) throw InputError(concat(origin(), ": iter_num: found ", iteration_));
  best_val_loss_ = 1e9;  // nanoGPT's start value
  const PickleValue* best = find(file_.root(), "best_val_loss");
  if (best && TorchReader::is_tensor(*best)) {
    const at::Tensor value = tensor(*best, origin() + ": best_val_loss");
    if (value.numel() != 1) throw InputError(origin() + ": best_val_loss: is no single number");
    best_val_loss_ = value.item<double>();
  } else if (best) {
    best_val_loss_ = number_of(*best, origin() + ": best_val_loss");
  }
  const PickleValue* config = find(file_.root(), "config");
  if (!config) return;
  for (const auto& [key, value] : dict_of(*config, origin() + ": config").items) {
    const std::string& name = text_of(*key, origin() + ": a key of config");
    const std::string where = origin() + quoted("config", name);
    if (const auto* flag = value->get_if<bool>()) config_.push_back({name, *flag, where});
    if (const auto* integer = value->get_if<std::int64_t>())
      config_.push_back({name, *integer, where});
    if (const auto* number = value->get_if<double>()) config_.push_back({name, *number, where});
    if (const auto* text = value->get_if<std::string>()) config_.push_back({name, *text, where});
  }
}

std::string NanogptCheckpoint::dataset() const {
  for (const Setting& setting : config_)
    if (const auto* name = std::get_if<std::string>(&setting.value);
        name && setting.key == "dataset")
      return *name;
  return "";
}

at::Tensor NanogptCheckpoint::tensor(const PickleValue& value, const std::string& where) const {
  return float_tensor(file_.tensor(value, where), where);
}

at::Tensor NanogptCheckpoint::weight(const std::string& name) const {
  const auto found = weights_.find(name);
  if (found == weights_.end()) throw InputError(origin() + ": no parameter " + quoted_name(name));
  return tensor(*found->second, origin() + quoted("model", name));
}

// configure_optimizers numbers the parameters with two or more dimensions first, then the others,
// each in named_parameters() order.
std::int64_t NanogptCheckpoint::optimizer_index(const std::string& name) const {
  std::int64_t decayed = 0, other = 0, found = -1;
  bool matrix = false;
  for (const ParameterShape& parameter : parameters_) {
    std::int64_t& count = parameter.shape.size() >= 2 ? decayed : other;
    if (parameter.name == name) {
      found = count;
      matrix = parameter.shape.size() >= 2;
    }
    ++count;
  }
  return matrix ? found : decayed + found;
}

void NanogptCheckpoint::check_optimizer() const {
  const std::string where = origin() + ": optimizer";
  const PickleValue& optimizer = member_of(file_.root(), "optimizer", origin());
  const PickleItems& groups =
      items_of(member_of(optimizer, "param_groups", where), where + ": param_groups");
  std::vector<std::size_t> expected(2, 0);
  for (const ParameterShape& parameter : parameters_)
    ++expected[parameter.shape.size() >= 2 ? 0 : 1];
  std::int64_t next = 0;
  bool same = groups.size() == 2;
  for (std::size_t g = 0; g < 2 && same; ++g) {
    const PickleItems& indices =
        items_of(member_of(*groups[g], "params", where + ": param_groups"), where + ": params");
    same = indices.size() == expected[g];
    for (const PickleValue* index : indices)
      same = same && integer_of(*index, where + ": params") == next++;
  }
  if (!same)
    throw InputError(concat(where, ": expected two groups of ", expected[0], " and ", expected[1],
                            " tensors, as nanoGPT's configure_optimizers makes them; with "
                            "--optimizer=False the weights come in with a fresh optimizer"));
  for (const ParameterShape& parameter : parameters_) optimizer_state(parameter.name);
}

NanogptCheckpoint::AdamState NanogptCheckpoint::optimizer_state(const std::string& name) const {
  const std::int64_t index = optimizer_index(name);
  const std::string where = concat(origin(), ": optimizer: state[", index, "] (", name, ")");
  const PickleValue& optimizer = member_of(file_.root(), "optimizer", origin());
  const PickleDict& states = dict_of(member_of(optimizer, "state", origin()), origin());
  const at::Tensor like = weight(name);
  if (states.items.empty()) return {at::zeros_like(like), at::zeros_like(like), at::zeros({})};
  const PickleValue* state = nullptr;
  for (const auto& [key, value] : states.items)
    if (const auto* integer = key->get_if<std::int64_t>(); integer && *integer == index)
      state = value;
  if (!state) throw InputError(where + ": is missing");
  const auto moment = [&](const char* key) {
    at::Tensor value = tensor(member_of(*state, key, where), where + "." + key);
    if (value.sizes() != like.sizes())
      throw InputError(concat(where, ".", key, ": is ", shape_text(value.sizes().vec()),
                              ", expected ", shape_text(like.sizes().vec())));
    return value;
  };
  const PickleValue& step = member_of(*state, "step", where);
  const at::Tensor count = TorchReader::is_tensor(step)
                               ? tensor(step, where + ".step")
                               : at::full({}, number_of(step, where + ".step"));
  if (count.numel() != 1) throw InputError(where + ".step: is no single number");
  return {moment("exp_avg"), moment("exp_avg_sq"), count.reshape({})};
}

}  // namespace gpt
