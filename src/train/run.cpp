#include "gpt/train/run.h"

#include <cstring>
#include <utility>

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include "gpt/base/log.h"
#include "gpt/base/strings.h"
#include "gpt/base/version.h"
#include "gpt/checkpoint/run_state.h"
#include "gpt/config/printing.h"
#include "gpt/device/memory.h"
#include "gpt/formats/finite.h"
#include "gpt/model/weight_init.h"
#include "gpt/optim/adamw.h"
#include "gpt/optim/muon.h"
#include "gpt/optim/sharded_optimizer.h"
#include "gpt/train/memory_setup.h"
#include "gpt/train/rollback.h"
#include "gpt/train/run_length.h"
#include "gpt/train/run_start.h"

namespace gpt {

namespace {

std::string json_of(TrainConfig config) {
  return to_json(options_of(config));
}

// Drawn, from `source`, or, of a resumed run, not set yet.
Gpt begin_model(const RunInputs& inputs, std::int64_t vocab_size, at::Generator& generator) {
  const TrainConfig& config = inputs.config;
  Gpt model(config.model, vocab_size, config.data.block_size);
  // nanoGPT draws weights that others replace, and its batches come from the same generator.
  if (inputs.checkpoint || inputs.source)
    skip_init(generator, {config.model, vocab_size, config.data.block_size});
  else
    model.draw(generator);
  if (inputs.source) load_weights(*inputs.source, model.parameters());
  model.to(inputs.compute.device, offload_level(config.memory.optimizer_offload));
  inputs.group.broadcast(tensors_of(model.parameters()));
  return model;
}

// With Muon, the blocks' matrices are its own.
std::vector<OptimizedTensor> optimized_tensors(const TrainConfig& config, const Gpt& model) {
  const bool muon = config.optimizer.optimizer == "muon";
  const auto table = parameter_table({config.model, model.vocab_size(), config.data.block_size});
  std::vector<OptimizedTensor> list;
  for (std::size_t i = 0; i < table.size(); ++i)
    list.push_back({model.parameters()[i].tensor, muon ? table[i].matrices : 0});
  return list;
}

std::unique_ptr<Optimizer> make_optimizer(const RunInputs& inputs, const Gpt& model) {
  const TrainConfig& config = inputs.config;
  const auto make = [&](const std::vector<OptimizedTensor>& parts) -> std::unique_ptr<Optimizer> {
    const Offload offload = offload_level(config.memory.optimizer_offload);
    if (config.optimizer.optimizer == "muon")
      return std::make_unique<Muon>(parts, config.optimizer, offload, AdamW::kBuffer,
                                    inputs.compute.device, inputs.compute.type);
    std::vector<at::Tensor> tensors;
    for (const OptimizedTensor& part : parts) tensors.push_back(part.tensor);
    return std::make_unique<AdamW>(tensors, config.optimizer, offload, AdamW::kBuffer,
                                   inputs.compute.device);
  };
  const auto all = optimized_tensors(config, model);
  if (config.memory.zero == 0 || inputs.group.size() == 1) return make(all);
  return std::make_unique<ShardedOptimizer>(all, inputs.group, make);
}

// The state of a run that begins, or that of the checkpoint, whose tensors and generator are
// restored.
Manifest begin_state(const RunInputs& inputs, const Dataset& dataset, const Gpt& model,
                     Optimizer& optimizer, GradScaler& scaler, at::Generator& generator) {
  Manifest state;
  state.step = inputs.first_step;
  if (inputs.checkpoint) {
    state = inputs.checkpoint->manifest;
    const DataPosition position = usable_position(*inputs.checkpoint, inputs.config, dataset);
    state.pending_offsets = position.pending;
    state.windows_taken = position.taken;
    const fs::path weights = inputs.checkpoint->path / kModelFile;
    if (inputs.group.is_first())
      require_finite(SafetensorsFile(weights).tensors(), weights.string());
    restore_training(*inputs.checkpoint, model, optimizer, scaler, inputs.group);
    if (const std::string& bytes = state.generator_state; !bytes.empty()) {
      at::Tensor raw = at::empty({static_cast<std::int64_t>(bytes.size())}, at::kByte);
      std::memcpy(raw.mutable_data_ptr(), bytes.data(), bytes.size());
      generator.set_state(raw);
    }
  }
  state.program_version = version();
  return state;
}

}  // namespace

Run::Run(RunInputs inputs, CheckpointStore& store, MetricsSink& metrics)
    : config(inputs.config),
      config_json(json_of(inputs.config)),
      dataset(std::move(inputs.dataset)),
      compute(inputs.compute),
      peak(inputs.peak),
      group(inputs.group),
      checkpoint(inputs.checkpoint),
      generator(at::detail::createCPUGenerator(static_cast<std::uint64_t>(config.system.seed))),
      model(begin_model(inputs, dataset.vocab_size, generator)),
      optimizer(make_optimizer(inputs, model)),
      scaler(compute.type == at::kHalf),
      state_(begin_state(inputs, dataset, model, *optimizer, scaler, generator)),
      batches(config.data, config.system.seed, dataset, generator, compute.device, group,
              {state_.pending_offsets, state_.windows_taken}),
      report(config, compute.device, metrics,
             Throughput(model.flops_per_token(), static_cast<double>(tokens_per_step(config.data)),
                        peak.flops * group.size())),
      monitor({config, compute, model, dataset, report, group}),
      statistics({config, compute, model, *optimizer, group, dataset.document_end,
                  [this](std::int64_t step, const StepStatistics::Values& values) {
                    report.statistics(step, values);
                  }}),
      engine(set_up_engine(config, model, compute, dataset.document_end)),
      trainer({config, compute, model, *engine, *optimizer, scaler, dataset, batches, generator,
               store, report, group, monitor, statistics, config_json},
              state_) {
  if (group.size() > 1) report.take_group_seconds = [this] { return group.take_seconds(); };
  report.bytes_per_token = bytes_per_token(dataset);
  if (config.memory.empty_cache != "off") release_cached_memory(compute.device);
}

void Run::print_facts() const {
  if (checkpoint)
    print_line(format("resuming from %s (step %ld)", checkpoint->path.c_str(),
                      static_cast<long>(state_.step)));
  print_line("tokens per iteration will be: " + with_commas(tokens_per_step(config.data)));
  print_line(
      format("number of parameters: %.2fM", static_cast<double>(model.parameter_count()) / 1e6));
  for (const Optimizer::GroupFacts& facts : optimizer->groups())
    print_line(format("num %s parameter tensors: %zu, with %s parameters", facts.name.c_str(),
                      facts.tensors, with_commas(facts.parameters).c_str()));
  print_line(format("FLOPs per token: %.3g; peak of the device: %.4g TFLOP/s (%s)",
                    model.flops_per_token(), peak.flops / 1e12, peak.source.c_str()));
}

}  // namespace gpt
