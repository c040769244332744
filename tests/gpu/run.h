// A small run on the GPU, from its config to its trainer.
#pragma once

#include <cstring>
#include <fstream>
#include <vector>

#include <ATen/CPUGeneratorImpl.h>

#include "gpt/checkpoint/run_state.h"
#include "gpt/config/printing.h"
#include "gpt/train/trainer.h"

#include "gpu.h"
#include "support/temp_dir.h"

namespace gpt::testing {

inline void write_tokens(const std::filesystem::path& path, std::int64_t begin, std::int64_t end) {
  std::ofstream file(path, std::ios::binary);
  for (std::int64_t i = begin; i < end; ++i) {
    const auto token = static_cast<std::uint16_t>((7 * i * i + 3 * i + (i / 29) % 2) % 61);
    file.write(reinterpret_cast<const char*>(&token), sizeof token);
  }
}

inline TrainConfig small_config(const TempDir& dir, const std::string& run) {
  TrainConfig config;
  config.io.out_dir = (dir / run).string();
  config.io.eval_iters = 2;
  config.io.eval_interval = 100;
  config.data.data_dir = dir.path().string();
  config.data.dataset = "tokens";
  config.data.gradient_accumulation_steps = 2;
  config.data.batch_size = 4;
  config.data.block_size = 128;
  config.model.n_layer = 2;
  config.model.n_head = 2;
  config.model.n_embd = 128;
  config.model.vocab_size.value = 61;
  config.optimizer.learning_rate = 1e-3;
  config.schedule.decay_lr = false;
  std::filesystem::create_directories(dir / "tokens");
  write_tokens(dir / "tokens/train.bin", 0, 20000);
  write_tokens(dir / "tokens/val.bin", 20000, 24000);
  return config;
}

struct GpuRun {
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

  GpuRun(const TrainConfig& c, const Compute& where, const Manifest& start = {})
      : config(c),
        dataset(open_dataset(config)),
        compute(where),
        generator(at::detail::createCPUGenerator(1337)),
        model(config.model, dataset.vocab_size, config.data.block_size, generator),
        optimizer(moved(model, compute.device), config.optimizer),
        engine(make_engine(config, model, compute)),
        scaler(compute.type == at::kHalf),
        store(config.io.out_dir, 2),
        metrics(folder(config) / "metrics.jsonl"),
        batches(config.data, dataset, restored(generator, start), compute.device,
                start.pending_offsets),
        report(config, compute.device, metrics, Throughput(1, 1, 1)),
        trainer({config, compute, model, *engine, optimizer, scaler, dataset, batches, generator,
                 store, report, to_json(knobs(config))},
                start) {
    scaler.restore({start.step > 0 ? start.loss_scale : scaler.scale(), start.scale_growth_steps});
    report.started(start.step, start.step > 0);
  }

  std::uint32_t checksum() const { return state_checksum(model, optimizer); }

 private:
  static std::vector<at::Tensor> moved(Gpt& model, const c10::Device& device) {
    model.to(device);
    std::vector<at::Tensor> list;
    for (const Parameter& p : model.parameters()) list.push_back(p.tensor);
    return list;
  }
  static fs::path folder(const TrainConfig& config) {
    make_directories(config.io.out_dir);
    return config.io.out_dir;
  }
  static at::Generator restored(at::Generator generator, const Manifest& start) {
    const std::string& bytes = start.generator_state;
    if (bytes.empty()) return generator;
    const at::Tensor state = at::empty({static_cast<std::int64_t>(bytes.size())}, at::kByte);
    std::memcpy(state.mutable_data_ptr(), bytes.data(), bytes.size());
    generator.set_state(state);
    return generator;
  }
};

}  // namespace gpt::testing
