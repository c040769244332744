// A run in two parts.
#pragma once

#include <gtest/gtest.h>

#include "support/tiny_run.h"

namespace gpt::testing {

// Trains `config` with `before` as its optimizer_offload, stops after `first` steps and continues
// with `after`; with 0 it is not stopped. The checksum at the end.
inline std::uint32_t trained_in_parts(TrainConfig config, const char* before, const char* after,
                                      std::int64_t first) {
  if (first > 0) {
    TrainConfig early = config;
    early.optimizer.max_iters = first - 1;
    early.memory.optimizer_offload = before;
    TinyRun run(early);
    EXPECT_EQ(run.go(), kExitDone);
  }
  config.memory.optimizer_offload = after;
  std::unique_ptr<TinyRun> run;
  if (first > 0)
    run = TinyRun::resumed(config, *CheckpointStore(config.io.out_dir, 2).newest_good());
  else
    run = std::make_unique<TinyRun>(config);
  EXPECT_EQ(run->go(), kExitDone);
  return run->checksum();
}

}  // namespace gpt::testing
