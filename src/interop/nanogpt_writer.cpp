#include "gpt/interop/nanogpt_writer.h"

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <new>
#include <span>
#include <string_view>
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

std::size_t elements_of(const ParameterShape& parameter) {
  std::size_t elements = 1;
  for (const std::int64_t size : parameter.shape) elements *= static_cast<std::size_t>(size);
  return elements;
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

// AdamW's state before its first step, of the parameters that Muon has updated. Each tensor has
// bytes of its own, as PyTorch would else update several in one place; they are the kernel's zero
// page until somebody writes to them.
class FreshStates {
 public:
  explicit FreshStates(const NanogptRun& run) {
    if (!trained_with_muon(run.optimizer)) return;
    std::size_t elements = 0;
    for (const ParameterShape& parameter : parameter_table(run.shape))
      elements += 2 * elements_of(parameter) + 1;
    zeros_.reset(static_cast<float*>(std::calloc(elements, sizeof(float))));
    if (!zeros_) throw std::bad_alloc();
  }

  TensorView take(const std::vector<std::int64_t>& shape) {
    std::size_t elements = 1;
    for (const std::int64_t size : shape) elements *= static_cast<std::size_t>(size);
    const std::span<const float> values(zeros_.get() + used_, elements);
    used_ += elements;
    return {"", "F32", shape, std::as_bytes(values)};
  }

 private:
  struct Free {
    void operator()(float* memory) const { std::free(memory); }
  };
  std::unique_ptr<float, Free> zeros_;
  std::size_t used_ = 0;
};

TensorView state_of(const NanogptRun& run, const ParameterShape& parameter, const std::string& part,
                    FreshStates& fresh) {
  if (!run.optimizer.find(parameter.name + ".momentum_buffer"))
    return tensor_of(run.optimizer, parameter.name + "." + part);
  return fresh.take(part == "step" ? std::vector<std::int64_t>() : parameter.shape);
}

void write_optimizer(TorchWriter& file, const NanogptRun& run, FreshStates& fresh) {
  PickleWriter& pickle = file.pickle();
  std::vector<ParameterShape> all, vectors;  // in the order of configure_optimizers
  for (const ParameterShape& parameter : parameter_table(run.shape))
    (parameter.shape.size() >= 2 ? all : vectors).push_back(parameter);
  const auto matrices = static_cast<std::int64_t>(all.size());
  all.insert(all.end(), vectors.begin(), vectors.end());
  pickle.open_dict();
  pickle.text("state"), pickle.open_dict();
  for (std::size_t i = 0; i < all.size(); ++i) {
    pickle.integer(static_cast<std::int64_t>(i));
    pickle.open_dict();
    for (const char* part : {"step", "exp_avg", "exp_avg_sq"}) {
      pickle.text(part);
      file.tensor(state_of(run, all[i], part, fresh));
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

bool trained_with_muon(const SafetensorsFile& optimizer) {
  return std::any_of(optimizer.tensors().begin(), optimizer.tensors().end(),
                     [](const TensorView& tensor) {
                       return std::string_view(tensor.name).ends_with(".momentum_buffer");
                     });
}

std::uint64_t write_nanogpt(const std::filesystem::path& path, NanogptRun run,
                            MayReplace may_replace) {
  FreshStates fresh(run);
  TorchWriter file(path, std::move(may_replace));
  PickleWriter& pickle = file.pickle();
  pickle.open_dict();
  pickle.text("model"), write_model(file, run);
  pickle.text("optimizer"), write_optimizer(file, run, fresh);
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
