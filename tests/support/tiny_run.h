// A whole run in a private folder.
#pragma once

#include <cstring>
#include <memory>
#include <optional>
#include <vector>

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include "gpt/checkpoint/run_state.h"
#include "gpt/config/printing.h"
#include "gpt/optim/adamw.h"
#include "gpt/train/trainer.h"

#include "support/tiny_config.h"

namespace gpt::testing {

// The objects of a run, as the train command assembles them.
struct TinyRun {
  TrainConfig config;
  Dataset dataset;
  Compute compute;
  at::Generator generator;
  Gpt model;
  AdamW optimizer;
  std::unique_ptr<Engine> engine;
  GradScaler scaler;
  CheckpointStore store;
  Metrics metrics;
  Batches batches;
  Report report;
  Trainer trainer;

  explicit TinyRun(const TrainConfig& c, const Manifest& start = {},
                   const Compute& where = {c10::Device(c10::kCPU), at::kFloat})
      : config(c),
        dataset(open_dataset(config)),
        compute(where),
        generator(at::detail::createCPUGenerator(static_cast<std::uint64_t>(c.system.seed))),
        model(config.model, dataset.vocab_size, config.data.block_size, generator),
        optimizer(moved(model, compute.device), config.optimizer,
                  offload_level(config.memory.optimizer_offload)),
        engine(make_engine(config, model, compute)),
        scaler(compute.type == at::kHalf),
        store(config.io.out_dir, static_cast<int>(config.io.keep_checkpoints)),
        metrics(folder(config) / "metrics.jsonl"),
        batches(config.data, dataset, restored(generator, start), compute.device,
                start.pending_offsets),
        report(config, compute.device, metrics, Throughput(1, 1, 1)),
        trainer({config, compute, model, *engine, optimizer, scaler, dataset, batches, generator,
                 store, report, to_json(options_of(config))},
                start) {
    scaler.restore({start.step > 0 ? start.loss_scale : scaler.scale(), start.scale_growth_steps});
    report.started(start.step, start.step > 0);
  }

  // A run that continues from `checkpoint`.
  static std::unique_ptr<TinyRun> resumed(const TrainConfig& config,
                                          const CheckpointInfo& checkpoint,
                                          const Compute& where = {c10::Device(c10::kCPU),
                                                                  at::kFloat}) {
    auto run = std::make_unique<TinyRun>(config, checkpoint.manifest, where);
    load_model(checkpoint.path, run->model);
    load_optimizer(checkpoint.path, run->model, run->optimizer);
    run->engine->weights_changed();
    return run;
  }

  ExitCode go() { return trainer.run(StopSignals()); }
  std::uint32_t checksum() const { return state_checksum(model, optimizer); }

 private:
  static std::vector<at::Tensor> moved(Gpt& model, const c10::Device& device) {
    model.to(device);
    return tensors_of(model.parameters());
  }
  static fs::path folder(const TrainConfig& config) {
    make_directories(config.io.out_dir);
    return config.io.out_dir;
  }
  static at::Generator restored(at::Generator generator, const Manifest& start) {
    const std::string& bytes = start.generator_state;
    if (bytes.empty()) return generator;
    at::Tensor state = at::empty({static_cast<std::int64_t>(bytes.size())}, at::kByte);
    std::memcpy(state.mutable_data_ptr(), bytes.data(), bytes.size());
    generator.set_state(state);
    return generator;
  }
};

}  // namespace gpt::testing
