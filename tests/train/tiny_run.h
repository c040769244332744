// A whole run in a private folder: nanoGPT's golden settings on made-up tokens.
#pragma once

#include <cstring>
#include <memory>
#include <optional>
#include <vector>

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include "gpt/checkpoint/run_state.h"
#include "gpt/config/printing.h"
#include "gpt/train/trainer.h"

#include "support/temp_dir.h"

namespace gpt::testing {

// token(i) of the golden files.
inline std::vector<std::uint16_t> made_up_tokens(std::int64_t begin, std::int64_t end) {
  std::vector<std::uint16_t> tokens;
  for (std::int64_t i = begin; i < end; ++i)
    tokens.push_back(static_cast<std::uint16_t>((7 * i * i + 3 * i + (i / 29) % 2) % 61));
  return tokens;
}

inline void write_tokens(const std::filesystem::path& path,
                         const std::vector<std::uint16_t>& tokens) {
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(tokens.data()),
             static_cast<std::streamsize>(tokens.size() * 2));
}

inline TrainConfig tiny_config(const TempDir& dir) {
  TrainConfig config;
  config.io.out_dir = (dir / "out").string();
  config.io.eval_interval = 20;
  config.io.eval_iters = 3;
  config.data.data_dir = dir.path().string();
  config.data.dataset = "tokens";
  config.data.gradient_accumulation_steps = 1;
  config.data.batch_size = 4;
  config.data.block_size = 16;
  config.model.n_layer = 2;
  config.model.n_head = 2;
  config.model.n_embd = 32;
  config.model.vocab_size.value = 61;
  config.optimizer.learning_rate = 1e-2;
  config.optimizer.max_iters = 60;
  config.optimizer.beta2 = 0.99;
  config.schedule.warmup_iters = 5;
  config.schedule.lr_decay_iters = 60;
  config.schedule.min_lr = 1e-3;
  std::filesystem::create_directories(dir / "tokens");
  write_tokens(dir / "tokens/train.bin", made_up_tokens(0, 20000));
  write_tokens(dir / "tokens/val.bin", made_up_tokens(20000, 24000));
  return config;
}

// The objects of a run, as the train verb assembles them.
struct TinyRun {
  TrainConfig config;
  Dataset dataset;
  Compute compute;
  at::Generator generator;
  Gpt model;
  AdamW optimizer;
  GradScaler scaler;
  CheckpointStore store;
  Metrics metrics;
  Batches batches;
  Report report;
  Trainer trainer;

  explicit TinyRun(const TrainConfig& c, const Manifest& start = {},
                   c10::ScalarType type = at::kFloat)
      : config(c),
        dataset(open_dataset(config)),
        compute{c10::Device(c10::kCPU), type},
        generator(at::detail::createCPUGenerator(static_cast<std::uint64_t>(c.system.seed))),
        model(config.model, dataset.vocab_size, config.data.block_size, generator),
        optimizer(tensors(model), config.optimizer),
        scaler(type == at::kHalf),
        store(config.io.out_dir, static_cast<int>(config.io.keep_checkpoints)),
        metrics(folder(config) / "metrics.jsonl"),
        batches(config.data, dataset, restored(generator, start), compute.device,
                start.pending_offsets),
        report(config, compute.device, metrics, Throughput(1, 1, 1)),
        trainer({config, compute, model, optimizer, scaler, dataset, batches, generator, store,
                 report, to_json(knobs(config))},
                start) {
    report.started(start.step, start.step > 0);
  }

  // A run that goes on from `checkpoint`.
  static std::unique_ptr<TinyRun> resumed(const TrainConfig& config,
                                          const CheckpointInfo& checkpoint) {
    auto run = std::make_unique<TinyRun>(config, checkpoint.manifest);
    load_model(checkpoint.path, run->model);
    load_optimizer(checkpoint.path, run->model, run->optimizer);
    return run;
  }

  ExitCode go() { return trainer.run(StopSignals()); }
  std::uint32_t checksum() const { return state_checksum(model, optimizer); }

 private:
  static std::vector<at::Tensor> tensors(const Gpt& model) {
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
    at::Tensor state = at::empty({static_cast<std::int64_t>(bytes.size())}, at::kByte);
    std::memcpy(state.mutable_data_ptr(), bytes.data(), bytes.size());
    generator.set_state(state);
    return generator;
  }
};

}  // namespace gpt::testing
