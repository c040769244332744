#include "app/open_model.h"

#include <utility>

#include <ATen/ATen.h>

#include "gpt/base/error.h"
#include "gpt/base/log.h"
#include "gpt/base/strings.h"
#include "gpt/checkpoint/run_state.h"
#include "gpt/dataprep/dataset_meta.h"
#include "gpt/interop/tensor_file.h"
#include "gpt/text/tokenizer_files.h"
#include "gpt/text/tokenizer_within_rows.h"
#include "gpt/train/dataset.h"
#include "gpt/train/run_start.h"
#include "gpt/train/run_weights.h"

#include "app/import_run.h"

namespace gpt {

namespace {

CheckpointInfo at_path(const fs::path& path) {
  std::error_code ignored;
  if (!fs::is_directory(path, ignored))
    throw InputError(path.string() +
                     ": no such checkpoint; expected auto, latest, best, or a folder such as "
                     "out/step_00002000");
  CheckpointInfo info{.path = path, .step = 0, .good = false, .problem = "", .manifest = {}};
  info.problem = CheckpointStore::verify(path, &info.manifest);
  if (!info.problem.empty()) throw InputError(path.string() + ": " + info.problem);
  info.good = true;
  info.step = info.manifest.step;
  return info;
}

CheckpointInfo choose_checkpoint(const OpenConfig& asked) {
  if (asked.checkpoint != "auto" && asked.checkpoint != "latest" && asked.checkpoint != "best")
    return at_path(asked.checkpoint);
  std::error_code ignored;
  if (!fs::is_directory(asked.out_dir, ignored))
    throw InputError(asked.out_dir + ": no such folder; expected the out_dir of a run");
  const CheckpointStore store(asked.out_dir, 2);
  const auto found = asked.checkpoint == "auto"     ? usual_checkpoint(asked.out_dir)
                     : asked.checkpoint == "latest" ? store.newest_good()
                                                    : store.best_good();
  if (found) return *found;
  if (asked.checkpoint == "best" && store.newest_good())
    throw InputError(asked.out_dir + ": no checkpoint is marked best; --checkpoint=latest exists");
  throw InputError(asked.out_dir + ": no good checkpoint here; `gpttrain checkpoint verify " +
                   asked.out_dir + "` says why");
}

// As nanoGPT's sample.py: a ckpt.pt names its dataset, whose folder says what the tokens mean.
std::string vocabulary_json(const WeightSource& source, const std::string& data_dir) {
  if (!source.vocabulary_json().empty() || source.dataset().empty())
    return source.vocabulary_json();
  const auto meta = read_dataset_meta(fs::path(data_dir) / source.dataset());
  return meta ? meta->json : "";
}

void keep_documents_apart(OpenModel& model) {
  model.document_end = end_of_documents(model.vocabulary_json, vocabulary_of(model), model.name);
}

OpenModel from_source(std::shared_ptr<const WeightSource> source, const std::string& data_dir) {
  const ModelShape& shape = source->shape();
  OpenModel model{.name = source->origin(),
                  .config = shape.config,
                  .block_size = shape.block_size,
                  .weights = {},
                  .vocabulary_json = vocabulary_json(*source, data_dir),
                  .tokenizer = source->tokenizer_folder().string(),
                  .source = source};
  for (const ParameterShape& parameter : parameter_table(shape)) {
    model.weights.push_back({parameter.name, source->weight(parameter.name)});
    require_finite(model.weights.back().tensor, parameter.name, model.name);
  }
  if (source->masks_documents()) keep_documents_apart(model);
  return model;
}

}  // namespace

// A character vocabulary has no file but its dataset's meta.json or meta.pkl.
std::unique_ptr<Tokenizer> asked_tokenizer(const fs::path& asked) {
  const bool named = asked.filename() == "meta.json" || asked.filename() == "meta.pkl";
  const auto meta = read_dataset_meta(named ? asked.parent_path() : asked);
  return meta ? tokenizer_of_meta(meta->json, meta->origin.string())
              : open_tokenizer(asked.string());
}

OpenModel open_model(const OpenConfig& asked) {
  const SourceHints hints{.n_head = asked.n_head.value,
                          .gelu = asked.gelu == "auto" ? "" : asked.gelu};
  if (asked.init_from != "resume")
    return from_source(open_source(asked.init_from, asked.pretrained_dir, hints), asked.data_dir);
  const fs::path nanogpt = fs::path(asked.out_dir) / kNanogptFile;
  std::error_code ignored;
  if (asked.checkpoint == "auto" && fs::is_regular_file(nanogpt, ignored) &&
      CheckpointStore(asked.out_dir, 2).list().empty())
    return from_source(open_source(nanogpt.string(), "", hints), asked.data_dir);
  const CheckpointInfo checkpoint = choose_checkpoint(asked);
  if (asked.checkpoint == "auto") warn_of_newer_nanogpt(asked.out_dir);
  const TrainConfig saved = saved_config(checkpoint);
  OpenModel model{.name = checkpoint.path.string(),
                  .config = saved.model,
                  .block_size = saved.data.block_size,
                  .weights = load_parameters(checkpoint.path),
                  .vocabulary_json = checkpoint.manifest.vocabulary_json,
                  .tokenizer = "",
                  .source = nullptr};
  for (const Parameter& parameter : model.weights)
    require_finite(parameter.tensor, parameter.name, model.name);
  if (saved.data.document_mask) keep_documents_apart(model);
  return model;
}

std::int64_t vocabulary_of(const OpenModel& model) {
  for (const Parameter& parameter : model.weights)
    if (parameter.name == "transformer.wte.weight" && parameter.tensor.dim() == 2)
      return parameter.tensor.size(0);
  throw InputError(model.name + ": tensor transformer.wte.weight is missing; this is no GPT-2");
}

std::unique_ptr<Tokenizer> tokenizer_for(const OpenModel& model, const std::string& asked,
                                         std::int64_t model_vocab_size) {
  std::unique_ptr<Tokenizer> tokenizer;
  if (!asked.empty())
    tokenizer = asked_tokenizer(asked);
  else if (!model.vocabulary_json.empty())
    tokenizer = tokenizer_of_meta(model.vocabulary_json, model.name + ", its dataset's meta.json");
  else if (!model.tokenizer.empty())
    tokenizer = open_tokenizer(model.tokenizer);
  else if (model_vocab_size >= kGpt2Vocabulary)
    tokenizer = open_tokenizer("gpt2");
  else
    throw InputError(concat(model.name, ": its dataset had no meta.json, and ", model_vocab_size,
                            " tokens are too few for GPT-2's; say with --tokenizer=FILE or the "
                            "dataset's folder how its tokens read"));
  // Tokens that were added to a tokenizer are a few; more are another model's.
  constexpr std::int64_t kMostAdded = 256;
  const std::int64_t added = tokenizer->vocab_size() - model_vocab_size;
  if (added <= 0) return tokenizer;
  if (added > kMostAdded)
    throw InputError(concat("the tokenizer ", tokenizer->name(), " has ", tokenizer->vocab_size(),
                            " tokens, but the model of ", model.name, " has ", model_vocab_size,
                            "; give the model's own with --tokenizer=FILE"));
  log_warning(concat("the tokenizer ", tokenizer->name(), " has ", added,
                     " token(s) more than the ", model_vocab_size, " rows of ", model.name,
                     "; they were added and never trained, and a text that needs one is refused"));
  return std::make_unique<TokenizerWithinRows>(std::move(tokenizer), model_vocab_size);
}

}  // namespace gpt
