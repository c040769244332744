#include "gpt/train/resolve_run.h"

#include <utility>

#include "gpt/base/log.h"
#include "gpt/base/strings.h"
#include "gpt/device/watch.h"
#include "gpt/parallel/join.h"
#include "gpt/train/agreement.h"
#include "gpt/train/machine.h"
#include "gpt/train/memory_setup.h"
#include "gpt/train/probe_setup.h"
#include "gpt/train/run_weights.h"

namespace gpt {

namespace {

// Keeps track of what each source of changes has changed.
class ConfigHistory {
 public:
  explicit ConfigHistory(TrainConfig& config) : config_(config), before_(config) {}

  // To be called when `reason` has had its say.
  void note(const std::string& reason) {
    TrainConfig now = config_;
    const auto from = options_of(before_), to = options_of(now);
    for (std::size_t i = 0; i < to.size(); ++i)
      if (value_text(from[i]) != value_text(to[i]))
        changes_.push_back({to[i].key, value_text(from[i]), value_text(to[i]), reason});
    before_ = config_;
  }
  std::vector<ConfigChange> changes() && { return std::move(changes_); }

 private:
  TrainConfig& config_;
  TrainConfig before_;
  std::vector<ConfigChange> changes_;
};

// The weights that a new run begins with; nothing where they are drawn.
std::unique_ptr<WeightSource> first_weights(TrainConfig& config, const Settings& asked) {
  if (!begins_with_weights(config.io)) return nullptr;
  SourceHints hints;
  if (asked.origin("n_head") != "default") hints.n_head = config.model.n_head;
  if (asked.origin("gelu") != "default") hints.gelu = config.model.gelu;
  auto source = open_source(config.io.init_from, config.io.pretrained_dir, hints);
  adopt_source(config, source->shape(), asked);
  return source;
}

// Device, type and allocator, with what the user should know of them before a long run.
Compute start_machine(TrainConfig& config, const Settings& asked, const std::string& choices,
                      std::vector<StepDown>& steps, ConfigHistory& history, ProcessGroup& group) {
  check_evaluation_device(config.memory, asked);
  const auto before_context = [&](const Compute& where) {
    history.note("this machine");
    // One process of a machine probes its card; the others find in the cache what it found.
    if (group.local_rank() > 0) group.barrier();
    steps = settle_by_probe(config, where, choices);
    if (group.local_rank() == 0) group.barrier();
    history.note("the probe");
    set_up_allocator(config.memory, asked);
  };
  const Compute compute = set_up_machine(config.system, before_context, group);
  if (compute.device.is_cuda() && config.system.backend == "nccl") use_nccl(group, compute.device);
  if (const std::string holders = other_holders(compute.device); !holders.empty())
    log_warning(holders + "; the run must do with the rest");
  return compute;
}

}  // namespace

ResolvedRun resolve_run(const TrainConfig& asked, const Settings& settings,
                        const CheckpointStore& store, ProcessGroup& group) {
  TrainConfig config = asked;
  ConfigHistory history(config);
  RunStart start = common_start(config, store, group);
  if (start.checkpoint) adopt_shape(config, saved_config(*start.checkpoint), settings);
  history.note("the checkpoint");
  auto source = start.checkpoint ? nullptr : first_weights(config, settings);
  history.note("init_from");
  Dataset dataset = open_dataset(config);
  if (source) check_vocabulary(*source, config.data.dataset, dataset.vocabulary_json);
  require_same_data(group, dataset);
  config.model.vocab_size.value = dataset.vocab_size;
  history.note("the dataset");
  std::vector<StepDown> steps;
  const Compute compute = start_machine(
      config, settings, start.checkpoint ? start.checkpoint->manifest.choices_json : std::string(),
      steps, history, group);
  require_same_precision(group, config.system);
  // Before memory_limit holds, which does not count what the measurement takes.
  const PeakRate peak = peak_rate(compute.device, compute.type);
  MachinePlan planned = set_up_memory(config, start.checkpoint, compute, group);
  history.note("the memory plan");
  return {.config = config,
          .changes = std::move(history).changes(),
          .start = std::move(start),
          .source = std::move(source),
          .dataset = std::move(dataset),
          .compute = compute,
          .peak = peak,
          .planned = std::move(planned),
          .steps = std::move(steps)};
}

std::string changes_text(const std::vector<ConfigChange>& changes) {
  std::vector<std::string> texts;
  for (const ConfigChange& change : changes)
    texts.push_back(
        concat(change.key, " ", change.from, " -> ", change.to, " (", change.reason, ")"));
  return join(texts, ", ");
}

}  // namespace gpt
