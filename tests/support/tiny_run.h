// A whole run in a private folder.
#pragma once

#include <memory>
#include <optional>

#include "gpt/checkpoint/run_state.h"
#include "gpt/metrics/jsonl.h"
#include "gpt/train/run.h"

#include "support/tiny_config.h"

namespace gpt::testing {

struct TinyRunFiles {
  CheckpointStore store;
  JsonlMetrics metrics;

  explicit TinyRunFiles(const TrainConfig& config)
      : store(config.io.out_dir, config.io.keep_checkpoints) {
    make_directories(config.io.out_dir);
    metrics.open(fs::path(config.io.out_dir) / "metrics.jsonl");
  }
};

struct TinyRun : TinyRunFiles, Run {
  explicit TinyRun(const TrainConfig& settled, std::optional<CheckpointInfo> from = {},
                   const Compute& where = {c10::Device(c10::kCPU), at::kFloat},
                   ProcessGroup& processes = single_process())
      : TinyRunFiles(settled),
        Run({.config = settled,
             .dataset = open_dataset(settled),
             .compute = where,
             .checkpoint = std::move(from),
             .group = processes},
            store, metrics) {
    start();
  }

  // A run that resumes `from`.
  static std::unique_ptr<TinyRun> resumed(const TrainConfig& settled, const CheckpointInfo& from,
                                          const Compute& where = {c10::Device(c10::kCPU),
                                                                  at::kFloat}) {
    return std::make_unique<TinyRun>(settled, from, where);
  }

  ExitCode go() { return trainer.run(StopSignals()); }
  std::uint32_t checksum() const { return state_checksum(model, *optimizer); }
};

}  // namespace gpt::testing
