#include "gpt/interop/nanogpt_writer.h"

#include <utility>

#include "gpt/base/error.h"
#include "gpt/config/option.h"
#include "gpt/formats/torch_writer.h"

namespace gpt {

namespace {

TensorView tensor_of(const SafetensorsFile& file, const std::string& name) {
  if (const TensorView* found = file.find(name)) return *found;
  throw InputError("the checkpoint has no tensor " + name + "; `gpttrain checkpoint verify`");
}

void write_model(TorchWriter& file, const NanogptRun& run) {
  PickleWriter& pickle = file.pickle();
  pickle.open_ordered_dict();
  for (const ParameterShape& parameter : parameter_table(run.shape)) {
    pickle.text(parameter.name);
    file.tensor(tensor_of(run.model, parameter.name));
  }
  pickle.text("lm_head.weight");
  file.tensor(tensor_of(run.model, "transformer.wte.weight"));
  pickle.close_dict();
}

// What torch.optim.AdamW.state_dict() holds in PyTorch 2.11, for one group.
void write_group(PickleWriter& pickle, const OptimizerConfig& config, double weight_decay,
                 std::int64_t first, std::int64_t count) {
  const auto flag = [&](const char* key, bool value) { pickle.text(key), pickle.boolean(value); };
  pickle.open_dict();
  pickle.text("weight_decay"), pickle.real(weight_decay);
  pickle.text("lr"), pickle.real(config.learning_rate);
  pickle.text("betas"), pickle.open_tuple();
  pickle.real(config.beta1), pickle.real(config.beta2), pickle.close_tuple();
  pickle.text("eps"), pickle.real(1e-8);
  flag("amsgrad", false), flag("maximize", false);
  pickle.text("foreach"), pickle.none();
  flag("capturable", false), flag("differentiable", false);
  pickle.text("fused"), pickle.none();
  flag("decoupled_weight_decay", true);
  pickle.text("params"), pickle.open_list();
  for (std::int64_t i = first; i < first + count; ++i) pickle.integer(i);
  pickle.close_list();
  pickle.close_dict();
}

void write_optimizer(TorchWriter& file, const NanogptRun& run) {
  PickleWriter& pickle = file.pickle();
  std::vector<std::string> names, vectors;  // in the order of configure_optimizers
  for (const ParameterShape& parameter : parameter_table(run.shape))
    (parameter.shape.size() >= 2 ? names : vectors).push_back(parameter.name);
  const auto matrices = static_cast<std::int64_t>(names.size());
  names.insert(names.end(), vectors.begin(), vectors.end());
  pickle.open_dict();
  pickle.text("state"), pickle.open_dict();
  for (std::size_t i = 0; i < names.size(); ++i) {
    pickle.integer(static_cast<std::int64_t>(i));
    pickle.open_dict();
    for (const char* part : {"step", "exp_avg", "exp_avg_sq"}) {
      pickle.text(part);
      file.tensor(tensor_of(run.optimizer, names[i] + "." + part));
    }
    pickle.close_dict();
  }
  pickle.close_dict();
  pickle.text("param_groups"), pickle.open_list();
  const OptimizerConfig& config = run.config.optimizer;
  write_group(pickle, config, config.weight_decay, 0, matrices);
  write_group(pickle, config, 0.0, matrices, static_cast<std::int64_t>(vectors.size()));
  pickle.close_list();
  pickle.close_dict();
}

void write_arguments(PickleWriter& pickle, const ModelShape& shape) {
  const auto size = [&](const char* key, std::int64_t value) {
    pickle.text(key), pickle.integer(value);
  };
  pickle.open_dict();
  size("n_layer", shape.config.n_layer), size("n_head", shape.config.n_head);
  size("n_embd", shape.config.n_embd), size("block_size", shape.block_size);
  pickle.text("bias"), pickle.boolean(shape.config.bias);
  size("vocab_size", shape.vocab_size);
  pickle.text("dropout"), pickle.real(shape.config.dropout);
  pickle.close_dict();
}

struct ConfigValue {
  PickleWriter& pickle;
  void operator()(const bool* v) const { pickle.boolean(*v); }
  void operator()(const std::int64_t* v) const { pickle.integer(*v); }
  void operator()(const double* v) const { pickle.real(*v); }
  void operator()(const std::string* v) const { pickle.text(*v); }
  void operator()(const AutoInt* v) const {
    v->value ? pickle.integer(*v->value) : pickle.text("auto");
  }
};

}  // namespace

std::uint64_t write_nanogpt(const std::filesystem::path& path, NanogptRun run,
                            MayReplace may_replace) {
  TorchWriter file(path, std::move(may_replace));
  PickleWriter& pickle = file.pickle();
  pickle.open_dict();
  pickle.text("model"), write_model(file, run);
  pickle.text("optimizer"), write_optimizer(file, run);
  pickle.text("model_args"), write_arguments(pickle, run.shape);
  pickle.text("iter_num"), pickle.integer(run.iteration);
  pickle.text("best_val_loss"), pickle.real(run.best_val_loss);
  pickle.text("config"), pickle.open_dict();
  for (const Option& option : options_of(run.config))
    pickle.text(option.key), std::visit(ConfigValue{pickle}, option.value);
  pickle.close_dict();
  pickle.close_dict();
  return file.save();
}

}  // namespace gpt
