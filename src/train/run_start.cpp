#include "gpt/train/run_start.h"

#include <cmath>
#include <set>
#include <utility>

#include "gpt/base/error.h"
#include "gpt/base/log.h"
#include "gpt/base/strings.h"
#include "gpt/base/temporary_name.h"
#include "gpt/config/json_reader.h"
#include "gpt/config/machine_keys.h"
#include "gpt/dataprep/dataset_meta.h"
#include "gpt/optim/schedule.h"
#include "gpt/train/run_weights.h"

namespace gpt {

namespace {

// The first key that differs between two configs, of those that make a run what it is; "" if none.
std::string first_difference(TrainConfig asked, TrainConfig saved) {
  // Resolved against the dataset when the run was saved, or no part of the run.
  static const std::set<std::string> kIgnored{"init_from",    "overwrite",    "vocab_size",
                                              "compile",      "compile_mode", "backend",
                                              "dist_timeout", "zero"};
  // A run that began with weights from elsewhere had its shape from them.
  static const std::set<std::string> kShape{"n_layer", "n_head", "n_embd",
                                            "bias",    "gelu",   "block_size"};
  const bool shaped = begins_with_weights(asked.io);
  const auto a = options_of(asked), b = options_of(saved);
  for (std::size_t i = 0; i < a.size(); ++i) {
    const bool ignored = kIgnored.contains(a[i].key) || is_machine_key(a[i].key) ||
                         is_reporting_key(a[i].key) || (shaped && kShape.contains(a[i].key));
    if (!ignored && value_text(a[i]) != value_text(b[i])) return a[i].key;
  }
  return "";
}

// What stopped the run that saved a checkpoint for this reason, "SIGTERM" of "signal SIGTERM"; ""
// if nothing did.
std::string stop_cause(const std::string& reason) {
  for (const std::string kind : {"signal ", "time "})
    if (reason.starts_with(kind)) return reason.substr(kind.size());
  return "";
}

template <class T>
void adopt(const char* key, T& wanted, const T& saved, const Settings& asked) {
  if (!(wanted == saved) && asked.origin(key) != "default")
    log_warning(concat(asked.origin(key), ": ", key, ": the checkpoint's value is used instead"));
  wanted = saved;
}

// A smaller one crops the positions, as nanoGPT does.
void adopt_block_size(std::int64_t& wanted, std::int64_t trained, const Settings& asked) {
  const bool given = asked.origin("block_size") != "default";
  if (given && wanted > trained)
    throw InputError(concat(asked.origin("block_size"), ": block_size: the model was trained with ",
                            trained, " positions, got ", wanted, "; at most as many can be used"));
  if (given && wanted < trained)
    log_info(concat("block_size: the model's ", trained, " positions are cropped to ", wanted));
  if (!given) wanted = trained;
}

// The one that a cool-down begins with.
CheckpointInfo stable_checkpoint(const TrainConfig& config) {
  const fs::path path = config.schedule.cooldown_from;
  CheckpointInfo found;
  found.path = path;
  found.good = true;
  if (const std::string problem = CheckpointStore::verify(path, &found.manifest); !problem.empty())
    throw InputError(
        concat("cooldown_from=", path.string(), ": ", problem,
               "; `gpttrain checkpoint list DIR` names the good checkpoints of a run"));
  found.step = found.manifest.step;
  const TrainConfig saved = saved_config(found);
  const double before = learning_rate_at(found.step, saved.optimizer, saved.schedule);
  if (before != config.optimizer.learning_rate)
    log_warning(
        format("cooldown_from=%s: its learning rate was %g there, and goes down from %g "
               "(learning_rate) now",
               path.c_str(), before, config.optimizer.learning_rate));
  return found;
}

}  // namespace

RunFiles::RunFiles(CheckpointStore& store, const fs::path& out_dir,
                   const std::vector<CheckpointInfo>& replaced)
    : store_(store), out_dir_(out_dir) {
  if (replaced.empty()) return;
  std::vector<fs::path> paths;
  for (const CheckpointInfo& info : replaced) paths.push_back(info.path);
  EarlierRun earlier(out_dir, paths);
  staged_config_ = earlier.staged("config.json");
  staged_metrics_ = earlier.staged("metrics.jsonl");
  staged_tensorboard_ = earlier.staged("tb");
  staged_log_ = earlier.staged("train.log");
  store.replaces(std::move(earlier));
  log_info(out_dir.string() + ": the earlier run stays until the new one's first checkpoint");
}

bool RunFiles::staged() const {
  return !staged_config_.empty() && store_.replaces_at_next_save();
}

fs::path RunFiles::metrics() const {
  return staged() ? staged_metrics_ : out_dir_ / "metrics.jsonl";
}

fs::path RunFiles::tensorboard() const {
  return staged() ? staged_tensorboard_ : out_dir_ / "tb";
}

fs::path RunFiles::log() const {
  return staged() ? staged_log_ : out_dir_ / "train.log";
}

void RunFiles::write_config(const std::string& json) const {
  replace_file(staged() ? staged_config_ : out_dir_ / "config.json", json);
}

RunFiles::~RunFiles() {
  if (!staged()) return;
  remove_or_warn(staged_config_);
  remove_or_warn(staged_metrics_);
  remove_or_warn(staged_tensorboard_);
  remove_or_warn(staged_log_);
}

RunStart choose_start(TrainConfig config, const CheckpointStore& store) {
  const std::string& out = config.io.out_dir;
  const auto present = store.list();
  if (present.empty() && !config.schedule.cooldown_from.empty())
    return {stable_checkpoint(config), {}};
  if (config.io.init_from == "resume") {
    auto good = store.newest_good();
    if (!good)
      throw InputError(out + ": init_from=resume, but there is no good checkpoint (" +
                       std::to_string(present.size()) +
                       " looked at); check --out_dir, or start with --init_from=scratch");
    return {good, {}};
  }
  if (present.empty()) return {};
  if (config.io.init_from == "auto")
    if (auto good = store.newest_good()) return {good, {}};
  std::string difference;
  const auto good = store.newest_good();
  if (const std::string cause = good ? stop_cause(good->manifest.reason) : ""; !cause.empty()) {
    difference = first_difference(config, saved_config(*good));
    if (difference.empty()) {
      log_info(format("%s: resuming the run that %s stopped at step %ld", out.c_str(),
                      cause.c_str(), static_cast<long>(good->step)));
      return {good, {}};
    }
  }
  if (config.io.overwrite) return {std::nullopt, present};
  throw InputError(concat(out, ": holds a run at step ", present.front().step,
                          difference.empty() ? "" : ", whose " + difference + " was another",
                          "; add --init_from=resume to resume it, --overwrite=True to start "
                          "again (it is moved aside), or choose another --out_dir"));
}

namespace {

// Windows of another size that hold as many tokens, rounded up: none is taken twice.
WindowOrder::Counts rescaled(WindowOrder::Counts taken, std::int64_t from, std::int64_t to) {
  if (from == to) return taken;
  for (std::int64_t& count : taken)
    count = static_cast<std::int64_t>(std::ceil(
        static_cast<double>(count) * static_cast<double>(from) / static_cast<double>(to)));
  return taken;
}

}  // namespace

DataPosition usable_position(const CheckpointInfo& checkpoint, const TrainConfig& config,
                             const Dataset& dataset) {
  const Manifest& manifest = checkpoint.manifest;
  const TrainConfig saved = saved_config(checkpoint);
  bool same = saved.data.dataset == config.data.dataset &&
              saved.data.train_files == config.data.train_files;
  if (!manifest.vocabulary_json.empty() && manifest.vocabulary_json != dataset.vocabulary_json) {
    same = false;
    if (!same_vocabulary(manifest.vocabulary_json, dataset.vocabulary_json))
      throw InputError("dataset=" + config.data.dataset + ": its vocabulary is not the one that " +
                       checkpoint.path.string() +
                       " was trained with; resume with dataset=" + saved.data.dataset);
  }
  const std::int64_t last = dataset.train.front().tokens.size() - config.data.block_size;
  for (const std::int64_t offset : manifest.pending_offsets) same = same && offset < last;
  if (!manifest.windows_taken.empty())
    same = same && manifest.source_tokens == source_tokens(dataset) &&
           manifest.windows_taken.size() == manifest.source_tokens.size();
  if (same && saved.data.data_order == config.data.data_order)
    return {manifest.pending_offsets,
            rescaled(manifest.windows_taken, saved.data.block_size, config.data.block_size)};
  if (same) {
    log_info(concat("data_order: the checkpoint's was ", saved.data.data_order, "; ",
                    config.data.data_order, " begins with its first epoch"));
    return {};
  }
  log_warning("dataset=" + config.data.dataset +
              " is not the data of the checkpoint; it continues with new batches");
  return {};
}

TrainConfig saved_config(const CheckpointInfo& checkpoint) {
  TrainConfig config;
  Settings settings(options_of(config));
  const std::string name = (checkpoint.path / "manifest.json").string() + " (config)";
  for (const Setting& setting : parse_json_config(checkpoint.manifest.config_json, name))
    settings.assign(setting);
  settings.check_ranges();
  return config;
}

void adopt_shape(TrainConfig& config, const TrainConfig& saved, const Settings& asked) {
  adopt_block_size(config.data.block_size, saved.data.block_size, asked);
  adopt("n_layer", config.model.n_layer, saved.model.n_layer, asked);
  adopt("n_head", config.model.n_head, saved.model.n_head, asked);
  adopt("n_embd", config.model.n_embd, saved.model.n_embd, asked);
  adopt("bias", config.model.bias, saved.model.bias, asked);
  adopt("gelu", config.model.gelu, saved.model.gelu, asked);
  adopt("vocab_size", config.model.vocab_size, saved.model.vocab_size, asked);
  adopt("seed", config.system.seed, saved.system.seed, asked);  // it keys dropout
}

void adopt_source(TrainConfig& config, const ModelShape& source, const Settings& asked) {
  adopt_block_size(config.data.block_size, source.block_size, asked);
  adopt("n_layer", config.model.n_layer, source.config.n_layer, asked);
  adopt("n_head", config.model.n_head, source.config.n_head, asked);
  adopt("n_embd", config.model.n_embd, source.config.n_embd, asked);
  adopt("bias", config.model.bias, source.config.bias, asked);
  adopt("vocab_size", config.model.vocab_size, AutoInt{source.vocab_size}, asked);
  if (asked.origin("gelu") == "default")
    config.model.gelu = source.config.gelu;
  else if (config.model.gelu != source.config.gelu)
    log_warning(asked.origin("gelu") + ": gelu=" + config.model.gelu +
                ": the weights were trained with gelu=" + source.config.gelu);
}

}  // namespace gpt
