#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <limits>

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include "gpt/base/log.h"
#include "gpt/base/strings.h"
#include "gpt/checkpoint/run_state.h"
#include "gpt/config/command_line.h"
#include "gpt/config/printing.h"
#include "gpt/config/validate.h"
#include "gpt/device/device.h"
#include "gpt/device/memory.h"
#include "gpt/device/watch.h"
#include "gpt/interop/pretrained.h"
#include "gpt/kernels/gemm/peak_rate.h"
#include "gpt/memory/plan_text.h"
#include "gpt/model/weight_init.h"
#include "gpt/optim/adamw.h"
#include "gpt/train/chrome_trace.h"
#include "gpt/train/trainer.h"

#include "app/commands.h"
#include "app/import_run.h"
#include "app/memory_setup.h"
#include "app/run_folder.h"
#include "app/run_start.h"
#include "app/setup.h"
#include "app/version.h"

namespace gpt {

namespace {

void refuse_several_processes() {
  const char* world = std::getenv("WORLD_SIZE");
  if (world && std::strtoll(world, nullptr, 10) > 1)
    throw InputError(concat("WORLD_SIZE=", world,
                            ": this version trains in one process only; "
                            "start it without a launcher"));
}

void print_model_facts(const TrainConfig& config, const Gpt& model, const Optimizer& optimizer,
                       const PeakRate& peak) {
  const DataConfig& data = config.data;
  print_line("tokens per iteration will be: " +
             with_commas(data.gradient_accumulation_steps * data.batch_size * data.block_size));
  print_line(
      format("number of parameters: %.2fM", static_cast<double>(model.parameter_count()) / 1e6));
  for (const Optimizer::GroupFacts& group : optimizer.groups())
    print_line(format("num %s parameter tensors: %zu, with %s parameters", group.name.c_str(),
                      group.tensors, with_commas(group.parameters).c_str()));
  print_line(format("FLOPs per token: %.3g; peak of the device: %.4g TFLOP/s (%s)",
                    model.flops_per_token(), peak.flops / 1e12, peak.source.c_str()));
}

void restore(const CheckpointInfo& checkpoint, const Gpt& model, const Optimizer& optimizer,
             GradScaler& scaler, at::Generator& generator) {
  load_model(checkpoint.path, model);
  load_optimizer(checkpoint.path, model, optimizer);
  const Manifest& manifest = checkpoint.manifest;
  // nanoGPT saves neither: its resumed runs begin with the seed and a fresh scale, and so do those
  // that come from it.
  if (manifest.generator_state.empty()) return;
  scaler.restore({manifest.loss_scale, manifest.scale_growth_steps});
  const std::string& bytes = manifest.generator_state;
  at::Tensor state = at::empty({static_cast<std::int64_t>(bytes.size())}, at::kByte);
  std::memcpy(state.mutable_data_ptr(), bytes.data(), bytes.size());
  generator.set_state(state);
}

// The weights that a new run begins with, and the config made to fit them; nothing for new ones.
std::unique_ptr<WeightSource> open_source(TrainConfig& config, const Settings& asked) {
  if (config.io.init_from == "scratch") return nullptr;
  auto source = open_weights(config.io.init_from, config.io.pretrained_dir);
  adopt_source(config, source->shape(), asked);
  return source;
}

// Drawn, from `source`, or, of a resumed run, not set yet.
Gpt begin_model(const TrainConfig& config, bool resumed, std::unique_ptr<WeightSource> source,
                at::Generator& generator) {
  Gpt model(config.model, *config.model.vocab_size.value, config.data.block_size);
  if (resumed || source)  // nanoGPT draws all the same, and its batches from the same generator
    skip_init(generator, {config.model, model.vocab_size(), model.block_size()});
  else
    model.draw(generator);
  if (source) load_weights(*source, model.parameters());
  return model;
}

// Device, type and allocator, with what the user should know of them before a long run.
Compute start_machine(TrainConfig& config, const Settings& asked) {
  set_up_allocator(config.memory, asked);
  check_evaluation_device(config.memory, asked);
  const Compute compute = set_up_machine(config.system);
  if (const std::string holders = other_holders(compute.device); !holders.empty())
    log_warning(holders + "; the run must do with the rest");
  return compute;
}

// max_iters is the last iteration; it may be the largest number there is.
std::int64_t iterations_left(std::int64_t max_iters, std::int64_t step) {
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max() - 1;
  return std::min(max_iters - step, kMost) + 1;
}

// Everything between a checked config and a finished run.
ExitCode train(TrainConfig config, const Settings& asked, const StopSignals& signals) {
  RunFolder folder(config.io.out_dir);
  CheckpointStore store(config.io.out_dir, config.io.keep_checkpoints);
  store.clean_leftovers();
  if (config.io.init_from == "resume") take_over_nanogpt(config.io.out_dir, config.data.data_dir);
  const RunStart start = choose_start(config, store);
  const auto& checkpoint = start.checkpoint;
  if (checkpoint) adopt_shape(config, saved_config(*checkpoint), asked);
  std::unique_ptr<WeightSource> source = checkpoint ? nullptr : open_source(config, asked);
  const Dataset dataset = open_dataset(config);
  config.model.vocab_size.value = dataset.vocab_size;
  const Compute compute = start_machine(config, asked);
  const PeakRate peak = peak_rate(compute.device, compute.type);  // not within memory_limit
  const MachinePlan planned = set_up_memory(config, checkpoint, compute);
  print_line(plan_line(planned.planner, *planned.ranked.best));
  at::Generator generator =
      at::detail::createCPUGenerator(static_cast<std::uint64_t>(config.system.seed));
  Gpt model = begin_model(config, checkpoint.has_value(), std::move(source), generator);
  const Offload offload = offload_level(config.memory.optimizer_offload);
  model.to(compute.device, offload);
  AdamW optimizer(tensors_of(model.parameters()), config.optimizer, offload);
  GradScaler scaler(compute.type == at::kHalf);
  Manifest state;
  state.program_version = version();
  if (checkpoint) {
    state = checkpoint->manifest;
    state.program_version = version();
    state.pending_offsets = usable_offsets(*checkpoint, config, dataset);
    restore(*checkpoint, model, optimizer, scaler, generator);
    print_line(format("resuming from %s (step %ld)", checkpoint->path.c_str(),
                      static_cast<long>(state.step)));
  }

  print_model_facts(config, model, optimizer, peak);
  const RunFiles files(store, config.io.out_dir, start.replaced);
  const std::string config_json = to_json(options_of(config));
  folder.begin(files, config_json);
  Batches batches(config.data, dataset, generator, compute.device, state.pending_offsets);
  const auto tokens = static_cast<double>(batches.effective_batch() * config.data.block_size);
  Report report(config, compute.device, folder.metrics(),
                Throughput(model.flops_per_token(), tokens, peak.flops));
  report.started(state.step, checkpoint.has_value());
  report.expect_peaks(planned.train_peak(), planned.eval_peak());
  const auto engine = set_up_engine(config, model, compute);
  if (config.memory.empty_cache != "off") release_cached_memory(compute.device);
  Trainer trainer({config, compute, model, *engine, optimizer, scaler, dataset, batches, generator,
                   store, report, config_json},
                  state);
  std::optional<ChromeTrace> trace;
  if (config.system.profile)
    trace.emplace(fs::path(config.io.out_dir) / "trace.json", compute.device,
                  iterations_left(config.optimizer.max_iters, state.step));
  trainer.recovery().planner = planned.planner;
  trainer.before_save = [&folder] { folder.claim(); };
  return trainer.run(signals);
}

}  // namespace

ExitCode train_command(const Arguments& arguments) {
  const StopSignals signals;  // making a model takes a while: what comes in it counts, too
  TrainConfig config;
  Settings settings(options_of(config));
  const CommandLine line = read_command_line(arguments, settings, /*inputs_allowed=*/false);
  if (line.help) {
    print_text(
        "Usage: gpttrain [train] [CONFIG.py|CONFIG.json...] [--key=value...]\n"
        "                [--print_config]\nRead left to right, later wins.\n\n" +
        help_text(options_of(config)));
    return kExitDone;
  }
  validate(config, settings);
  if (line.print_config) {
    print_text(to_json(options_of(config)));
    return kExitDone;
  }
  refuse_several_processes();
  return train(config, settings, signals);
}

}  // namespace gpt
