#include "gpt/interop/torch_checkpoint.h"

#include <ATen/ATen.h>

#include "gpt/base/error.h"
#include "gpt/base/strings.h"
#include "gpt/base/terminal.h"
#include "gpt/interop/tensor_file.h"

namespace gpt {

namespace {

std::string quoted(const std::string& section, const std::string& key) {
  return ": " + section + "[" + quoted_name(key) + "]";
}

}  // namespace

TorchCheckpoint::TorchCheckpoint(const std::filesystem::path& path, const SourceHints& hints)
    : file_(std::make_shared<TorchReader>(path)), layout_(find_layout(file_->root(), origin())) {
  std::vector<std::unique_ptr<TensorFile>> files;
  files.push_back(tensors_in(file_, layout_.tensors));
  tensors_ = std::make_unique<Gpt2Tensors>(
      std::move(files), origin(),
      [this](const std::string& name) { return origin() + quoted(section(), name) + ":"; });
  shape_ = tensors_->sizes();
  if (layout_.arguments) check_arguments();
  settle_choices(hints);
  tensors_->check(shape_, "expected");
  read_run();
}

std::string TorchCheckpoint::section() const {
  return layout_.model_key.empty() ? "the file" : layout_.model_key;
}

// What the arguments say of the sizes is what the tensors say.
void TorchCheckpoint::check_arguments() const {
  const std::pair<const char*, std::int64_t> sizes[] = {{"n_layer", shape_.config.n_layer},
                                                        {"n_embd", shape_.config.n_embd},
                                                        {"block_size", shape_.block_size},
                                                        {"vocab_size", shape_.vocab_size}};
  for (const auto& [key, size] : sizes) {
    const PickleValue* said = find(*layout_.arguments, key);
    if (!said || said->get_if<PickleNone>()) continue;
    const std::string place = origin() + quoted(layout_.arguments_key, key);
    if (const std::int64_t value = integer_of(*said, place); value != size)
      throw InputError(concat(place, ": is ", value, ", but its tensors are of ", size,
                              "; the file was changed, save it again"));
  }
}

void TorchCheckpoint::settle_choices(const SourceHints& hints) {
  const PickleValue* arguments = layout_.arguments;
  const PickleValue* heads = arguments ? find(*arguments, "n_head") : nullptr;
  std::int64_t said = 0;
  if (heads) {
    const std::string place = origin() + quoted(layout_.arguments_key, "n_head");
    said = integer_of(*heads, place);
    if (said < 1 || shape_.config.n_embd % said != 0)
      throw InputError(concat(place, ": ", said, " heads and a width of ", shape_.config.n_embd,
                              " make no GPT-2"));
  }
  shape_.config.n_head = settled_heads(said, shape_.config.n_embd, hints, origin());
  if (arguments)
    if (const PickleValue* dropout = find(*arguments, "dropout"))
      shape_.config.dropout = number(*dropout, origin() + quoted(layout_.arguments_key, "dropout"));
  // A ckpt.pt of this program says which GELU it has, nanoGPT has one only, and build-nanogpt,
  // whose config is an object without a `bias`, has OpenAI's.
  std::string gelu;
  if (const PickleValue* named = layout_.config ? find(*layout_.config, "gelu") : nullptr)
    if (const auto* text = named->get_if<std::string>();
        text && (*text == "exact" || *text == "tanh"))
      gelu = *text;
  const auto* object = arguments ? arguments->get_if<PickleObject>() : nullptr;
  if (gelu.empty() && layout_.arguments_key == "model_args") gelu = "exact";
  if (gelu.empty() && object && object->name.ends_with(".GPTConfig"))
    gelu = find(*arguments, "bias") ? "exact" : "tanh";
  shape_.config.gelu = settled_gelu(gelu, tensors_->transposed(), hints, origin());
}

void TorchCheckpoint::read_run() {
  if (has_optimizer()) try {
      optimizer_index_ = optimizer_indices(*layout_.optimizer, shape_, origin() + ": optimizer");
    } catch (const InputError&) {  // check_optimizer() says it to who wants the optimizer
    }
  if (layout_.iteration) {
    const std::string place = origin() + ": " + layout_.iteration_key;
    iteration_ = TorchReader::is_tensor(*layout_.iteration)
                     ? static_cast<std::int64_t>(number(*layout_.iteration, place))
                     : integer_of(*layout_.iteration, place);
    if (iteration_ < 0) throw InputError(concat(place, ": found ", iteration_));
  }
  best_val_loss_ = 1e9;  // nanoGPT's start value
  if (layout_.best_val_loss && !layout_.best_val_loss->get_if<PickleNone>())
    best_val_loss_ = number(*layout_.best_val_loss, origin() + ": " + layout_.loss_key);
  if (!layout_.config) return;
  for (const auto& [key, value] : dict_of(*layout_.config, origin() + ": config").items) {
    const auto* name = key->get_if<std::string>();
    if (!name) continue;
    const std::string where = origin() + quoted("config", *name);
    if (const auto* flag = value->get_if<bool>()) config_.push_back({*name, *flag, where});
    if (const auto* integer = value->get_if<std::int64_t>())
      config_.push_back({*name, *integer, where});
    if (const auto* real = value->get_if<double>()) config_.push_back({*name, *real, where});
    if (const auto* text = value->get_if<std::string>()) config_.push_back({*name, *text, where});
  }
}

std::string TorchCheckpoint::dataset() const {
  for (const Setting& setting : config_)
    if (const auto* name = std::get_if<std::string>(&setting.value);
        name && setting.key == "dataset")
      return *name;
  return "";
}

at::Tensor TorchCheckpoint::tensor(const PickleValue& value, const std::string& where) const {
  return float_tensor(file_->tensor(value, where), where);
}

// Also a tensor of one number.
double TorchCheckpoint::number(const PickleValue& value, const std::string& where) const {
  if (!TorchReader::is_tensor(value)) return number_of(value, where);
  const at::Tensor held = number_tensor(file_->tensor(value, where), where);
  if (held.numel() != 1) throw InputError(where + ": is no single number");
  return held.item<double>();
}

void TorchCheckpoint::check_optimizer() const {
  try {
    if (!has_optimizer()) throw InputError(origin() + ": has no optimizer");
    if (optimizer_index_.empty())
      optimizer_indices(*layout_.optimizer, shape_, origin() + ": optimizer");
    for (const ParameterShape& parameter : parameter_table(shape_)) optimizer_state(parameter.name);
  } catch (const InputError& error) {
    throw InputError(concat(error.what(), "; `gpttrain import ", origin(),
                            " --optimizer=False` takes the weights with a fresh optimizer"));
  }
}

TorchCheckpoint::AdamState TorchCheckpoint::optimizer_state(const std::string& name) const {
  const std::int64_t index = optimizer_index_.at(name);
  const std::string where = concat(origin(), ": optimizer: state[", index, "] (", name, ")");
  const PickleDict& states =
      dict_of(member_of(*layout_.optimizer, "state", origin() + ": optimizer"), origin());
  const at::Tensor like = weight(name);
  if (states.items.empty()) return {at::zeros_like(like), at::zeros_like(like), at::zeros({})};
  const PickleValue* state = nullptr;
  for (const auto& [key, value] : states.items)
    if (const auto* integer = key->get_if<std::int64_t>(); integer && *integer == index)
      state = value;
  if (!state) throw InputError(where + ": is missing");
  const bool turned = tensors_->is_turned(name);
  const auto moment = [&](const char* key) {
    at::Tensor value = tensor(member_of(*state, key, where), where + "." + key);
    if (turned && value.dim() == 2) value = value.t().contiguous();
    if (value.sizes() != like.sizes())
      throw InputError(concat(where, ".", key, ": is ", shape_text(value.sizes().vec()),
                              ", expected ", shape_text(like.sizes().vec())));
    return value;
  };
  const double count = number(member_of(*state, "step", where), where + ".step");
  return {moment("exp_avg"), moment("exp_avg_sq"), at::full({}, count)};
}

}  // namespace gpt
