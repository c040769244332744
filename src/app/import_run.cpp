#include "app/import_run.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include <ATen/ATen.h>

#include "gpt/base/error.h"
#include "gpt/base/files.h"
#include "gpt/base/log.h"
#include "gpt/base/strings.h"
#include "gpt/base/version.h"
#include "gpt/checkpoint/run_state.h"
#include "gpt/config/printing.h"
#include "gpt/config/settings.h"
#include "gpt/dataprep/dataset_meta.h"
#include "gpt/formats/finite.h"
#include "gpt/interop/pretrained.h"
#include "gpt/interop/tensor_file.h"
#include "gpt/interop/torch_checkpoint.h"
#include "gpt/text/tokenizer_files.h"
#include "gpt/train/run_start.h"

namespace gpt {

namespace {

// The files of the checkpoint, and the tensors that their views look at.
class ImportedParts {
 public:
  ImportedParts() : parts_(2) {
    parts_[0].file_name = kModelFile;
    parts_[1].file_name = kOptimizerFile;
  }
  void add_weight(const std::string& name, const at::Tensor& tensor) { add(0, name, tensor); }
  void add_state(const std::string& name, const TorchCheckpoint::AdamState& state) {
    add(1, name + ".exp_avg", state.exp_avg);
    add(1, name + ".exp_avg_sq", state.exp_avg_sq);
    add(1, name + ".step", state.step);
  }
  const std::vector<CheckpointPart>& parts() const { return parts_; }

 private:
  void add(std::size_t part, std::string name, const at::Tensor& tensor) {
    const at::Tensor host = tensor.contiguous();
    check_source(tensor);
    host_.push_back(host);
    parts_[part].tensors.push_back(
        {std::move(name),
         "F32",
         host.sizes().vec(),
         {static_cast<const std::byte*>(host.const_data_ptr()), host.nbytes()}});
  }

  std::vector<at::Tensor> host_;
  std::vector<CheckpointPart> parts_;
};

// Keys of nanoGPT's config that this program has too, as far as their values suit it.
void adopt_config(const std::vector<Setting>& settings, TrainConfig& config) {
  std::vector<std::string> passed_over;
  for (const Setting& setting : settings) {
    const TrainConfig before = config;
    try {
      Settings target(options_of(config));
      target.assign(setting);
      target.check_ranges();
    } catch (const InputError&) {
      config = before;
      passed_over.push_back(setting.key);
    }
  }
  if (!passed_over.empty())
    log_info("keys of its config that mean nothing here: " + join(passed_over, ", "));
}

void adopt_sizes(const ModelShape& shape, TrainConfig& config) {
  config.model.n_layer = shape.config.n_layer;
  config.model.n_head = shape.config.n_head;
  config.model.n_embd = shape.config.n_embd;
  config.model.bias = shape.config.bias;
  config.model.vocab_size.value = shape.vocab_size;
  config.data.block_size = shape.block_size;
  config.io.init_from = "scratch";
}

// As a meta.json, for a folder that has a tokenizer next to its weights; "" stands for GPT-2's.
std::string vocabulary_beside(const WeightSource& weights) {
  const fs::path folder = weights.tokenizer_folder();
  if (folder.empty()) return "";
  try {
    const auto tokenizer = open_tokenizer(folder.string());
    DatasetMeta meta;
    describe_tokenizer(*tokenizer, meta);
    std::error_code no_such_place;
    if (meta.tokenizer != "gpt2")
      meta.tokenizer_file = fs::absolute(folder, no_such_place).string();
    return meta.tokenizer == "gpt2" ? "" : to_json(meta);
  } catch (const Error& error) {
    log_warning(std::string(error.what()) + "; sample will need --tokenizer");
    return "";
  }
}

std::string vocabulary(const ImportConfig& config, const TrainConfig& trained,
                       const WeightSource& weights) {
  const std::int64_t vocab_size = weights.shape().vocab_size;
  const std::string dataset = config.dataset.empty() ? trained.data.dataset : config.dataset;
  const fs::path folder = fs::path(config.data_dir) / dataset;
  const auto meta = read_dataset_meta(folder);
  if (meta && meta->vocab_size > vocab_size)
    throw InputError(concat(meta->origin.string(), ": has ", meta->vocab_size,
                            " tokens, the model ", vocab_size,
                            "; name the model's own dataset with --dataset"));
  return meta ? meta->json : vocabulary_beside(weights);
}

// AdamW before its first step, over one stretch of zeros.
void add_fresh_states(const ModelShape& shape, ImportedParts& parts) {
  std::int64_t largest = 0;
  std::vector<std::pair<std::string, at::Tensor>> weights;
  const auto parameters = parameter_table(shape);
  for (const ParameterShape& parameter : parameters)
    largest = std::max(largest, c10::multiply_integers(parameter.shape));
  const at::Tensor zeros = at::zeros({largest});
  for (const ParameterShape& parameter : parameters) {
    const at::Tensor zero =
        zeros.narrow(0, 0, c10::multiply_integers(parameter.shape)).view(parameter.shape);
    parts.add_state(parameter.name, {zero, zero, at::zeros({})});
  }
}

std::int64_t tokens_seen(std::int64_t steps, const DataConfig& data, std::int64_t block_size) {
  std::int64_t tokens = steps;
  for (const std::int64_t factor : {data.gradient_accumulation_steps, data.batch_size, block_size})
    if (__builtin_mul_overflow(tokens, factor, &tokens))
      throw InputError(concat("its config says ", steps, " iterations of ",
                              data.gradient_accumulation_steps, " * ", data.batch_size, " * ",
                              block_size, " tokens, which is beyond 64 bits"));
  return tokens;
}

void read_run(const TorchCheckpoint& file, TrainConfig& config, Manifest& manifest) {
  adopt_config(file.config(), config);
  manifest.step = file.iteration();
  const bool evaluated = file.best_val_loss() < Manifest().best_val_loss;
  if (evaluated) manifest.val_loss = manifest.best_val_loss = file.best_val_loss();
  manifest.best = evaluated;  // nanoGPT saves right after the evaluation that it was the best of
  manifest.tokens_seen = tokens_seen(manifest.step, config.data, file.shape().block_size);
}

void add_optimizer(const TorchCheckpoint* file, bool wanted, const ModelShape& shape,
                   ImportedParts& parts) {
  if (file && wanted && !file->has_optimizer())
    log_warning(concat(file->origin(), ": has no optimizer; it continues at iteration ",
                       file->iteration(), " with a fresh one"));
  if (!file || !wanted || !file->has_optimizer()) return add_fresh_states(shape, parts);
  file->check_optimizer();
  for (const ParameterShape& parameter : parameter_table(shape))
    parts.add_state(parameter.name, file->optimizer_state(parameter.name));
}

}  // namespace

fs::path import_run(const fs::path& source, const ImportConfig& config,
                    const std::vector<CheckpointInfo>& replaced) {
  TrainConfig trained;
  Manifest manifest;
  manifest.reason = "imported";
  manifest.program_version = version();
  ImportedParts parts;
  const SourceHints hints{.n_head = config.n_head.value,
                          .gelu = config.gelu == "auto" ? "" : config.gelu};
  const auto weights = open_weights(source.string(), "", hints);
  const auto* file = dynamic_cast<const TorchCheckpoint*>(weights.get());
  if (file) read_run(*file, trained, manifest);
  add_optimizer(file, config.optimizer, weights->shape(), parts);
  trained.model.gelu = weights->shape().config.gelu;
  adopt_sizes(weights->shape(), trained);
  for (const ParameterShape& parameter : parameter_table(weights->shape()))
    parts.add_weight(parameter.name, weights->weight(parameter.name));
  if (!config.allow_nonfinite)
    for (const CheckpointPart& part : parts.parts()) require_finite(part.tensors, source.string());
  manifest.vocabulary_json = vocabulary(config, trained, *weights);
  manifest.config_json = to_json(options_of(trained));
  CheckpointStore store(config.out_dir, 2);
  std::vector<fs::path> earlier;
  for (const CheckpointInfo& info : replaced) earlier.push_back(info.path);
  if (!earlier.empty()) store.replaces(EarlierRun(config.out_dir, earlier));
  store.save(manifest, parts.parts());
  return fs::path(config.out_dir) / checkpoint_name(manifest.step);
}

void warn_of_newer_nanogpt(const std::string& out_dir) {
  const fs::path file = fs::path(out_dir) / kNanogptFile;
  const auto present = CheckpointStore(out_dir, 2).list();
  std::error_code error;
  if (!fs::is_regular_file(file, error) || present.empty()) return;
  const auto written = fs::last_write_time(file, error);
  const auto saved = fs::last_write_time(present.front().path / "manifest.json", error);
  if (error || written <= saved) return;
  std::string what = "is newer";
  try {
    const std::int64_t iteration = TorchCheckpoint(file).iteration();
    // An export of one of these checkpoints is nothing new.
    for (const CheckpointInfo& info : present)
      if (info.step == iteration) return;
    what = concat("is newer, and at iteration ", iteration);
  } catch (const Error& unreadable) {
    what = concat("is newer, and cannot be read (", unreadable.what(), ")");
  }
  log_warning(concat(file.string(), ": ", what, ", but ", present.front().path.string(),
                     " is taken; `gpttrain import ", file.string(),
                     " --overwrite=True` takes it instead and moves this run aside"));
}

void import_nanogpt(const std::string& out_dir, const std::string& data_dir) {
  const fs::path file = fs::path(out_dir) / kNanogptFile;
  if (!file_exists(file)) return;
  if (!CheckpointStore(out_dir, 2).list().empty()) return warn_of_newer_nanogpt(out_dir);
  ImportConfig config;
  config.out_dir = out_dir;
  config.data_dir = data_dir;
  const fs::path written = import_run(file, config);
  log_info(file.string() + ": nanoGPT's checkpoint was imported as " + written.string());
}

}  // namespace gpt
