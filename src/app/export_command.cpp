#include "gpt/base/files.h"
#include "gpt/base/log.h"
#include "gpt/base/strings.h"
#include "gpt/checkpoint/run_state.h"
#include "gpt/formats/finite.h"
#include "gpt/interop/hf_writer.h"
#include "gpt/interop/nanogpt_writer.h"
#include "gpt/train/run_start.h"

#include "app/commands.h"
#include "app/export_target.h"
#include "app/export_tokenizer.h"

namespace gpt {

namespace {

constexpr const char* kExportUsage =
    "Usage: gpttrain export --out_dir=RUN --format=nanogpt|hf [--to=PATH]\n"
    "nanogpt: one ckpt.pt, which nanoGPT's sample.py and --init_from=resume load.\n"
    "hf:      a folder that transformers loads as a GPT2LMHeadModel.\n\n";

CheckpointInfo chosen_checkpoint(const ExportConfig& config) {
  if (config.checkpoint != "latest" && config.checkpoint != "best") {
    CheckpointInfo info{
        .path = config.checkpoint, .step = 0, .good = true, .problem = "", .manifest = {}};
    info.problem = CheckpointStore::verify(info.path, &info.manifest);
    if (!info.problem.empty()) throw InputError(config.checkpoint + ": " + info.problem);
    return info;
  }
  std::error_code ignored;
  if (!fs::is_directory(config.out_dir, ignored))
    throw InputError(config.out_dir + ": no such folder; expected the out_dir of a run");
  const CheckpointStore store(config.out_dir, 2);
  const auto found = config.checkpoint == "best" ? store.best_good() : store.newest_good();
  if (found) return *found;
  throw InputError(config.out_dir + ": no good checkpoint" +
                   (config.checkpoint == "best" ? " is marked best" : "") +
                   "; `gpttrain checkpoint verify " + config.out_dir + "` says why");
}

ModelShape shape_of(const TrainConfig& trained, const SafetensorsFile& weights) {
  const TensorView* wte = weights.find("transformer.wte.weight");
  if (!wte || wte->shape.size() != 2) throw InputError("the checkpoint has no token embedding");
  return {trained.model, wte->shape[0], trained.data.block_size};
}

void export_nanogpt(const ExportTarget& target, const CheckpointInfo& checkpoint,
                    const ExportConfig& config, const TrainConfig& trained, const ModelShape& shape,
                    const SafetensorsFile& weights) {
  const SafetensorsFile optimizer(checkpoint.path / kOptimizerFile);
  if (trained.model.gelu == "tanh")
    log_warning(
        "the model was trained with gelu=tanh; nanoGPT computes GELU by erf, so its losses "
        "will differ in the third digit or so");
  if (trained_with_muon(optimizer))
    log_warning(
        "the run was trained with optimizer=muon, which nanoGPT does not have: its AdamW will "
        "continue with the moments of embeddings, LayerNorms and biases, and begin at zero with "
        "those of the blocks' matrices");
  if (!config.allow_nonfinite)
    require_finite(optimizer.tensors(), (checkpoint.path / kOptimizerFile).string());
  write_nanogpt(target.place,
                {.shape = shape,
                 .model = weights,
                 .optimizer = optimizer,
                 .config = trained,
                 .iteration = checkpoint.manifest.step,
                 .best_val_loss = checkpoint.manifest.best_val_loss},
                target.may_replace);
}

void export_hf(const ExportTarget& target, const CheckpointInfo& checkpoint,
               const ExportConfig& config, const ModelShape& shape,
               const SafetensorsFile& weights) {
  const ExportedTokenizer tokenizer =
      tokenizer_files(checkpoint.manifest.vocabulary_json, shape.vocab_size, shape.block_size);
  write_hf_folder(target.place,
                  {.shape = shape,
                   .weights = weights,
                   .vocab_size = config.pad ? shape.vocab_size : tokenizer.vocab_size,
                   .other_files = tokenizer.files},
                  target.may_replace);
}

}  // namespace

ExitCode export_command(const Arguments& arguments) {
  ExportConfig config;
  if (!read_options(arguments, options_of(config), kExportUsage, /*inputs_allowed=*/false))
    return kExitDone;
  const bool nanogpt = config.format == "nanogpt";
  const ExportTarget target = export_target(config);  // before anything is read
  const CheckpointInfo checkpoint = chosen_checkpoint(config);
  const TrainConfig trained = saved_config(checkpoint);
  const SafetensorsFile weights(checkpoint.path / kModelFile);
  const ModelShape shape = shape_of(trained, weights);
  if (!config.allow_nonfinite)
    require_finite(weights.tensors(), (checkpoint.path / kModelFile).string());
  make_directories(target.place.parent_path());
  if (nanogpt)
    export_nanogpt(target, checkpoint, config, trained, shape, weights);
  else
    export_hf(target, checkpoint, config, shape, weights);
  print_line(concat("wrote ", target.shown, " from ", checkpoint.path.string()));
  return kExitDone;
}

}  // namespace gpt
