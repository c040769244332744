// A run that is only timed: the train command's own parts on made-up data, without an out_dir.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "gpt/config/bench_config.h"
#include "gpt/config/settings.h"
#include "gpt/config/train_config.h"
#include "gpt/device/memory.h"
#include "gpt/kernels/gemm/peak_rate.h"
#include "gpt/train/phase_timer.h"

namespace gpt {

struct BenchResult {
  std::string hardware, engine;
  int threads = 0;
  TrainConfig config;  // as resolved for this machine
  std::int64_t parameters = 0;
  double tokens = 0, flops = 0;  // of an iteration
  PeakRate peak;                 // of GEMMs here
  double setup = 0, first = 0;   // seconds: from the start of run_bench to the first step; of it
  std::vector<double> whole;     // seconds of each iteration, undisturbed
  std::vector<PhaseTimer::Times> phases;  // of as many others
  MemoryUse memory;
  std::int64_t planned = 0;        // bytes of tensors at the peak, as the plan foresaw
  std::uint64_t process_peak = 0;  // bytes of resident pages
};

// `config` is checked, and `asked` says where its values come from; its device, type and plan are
// resolved here. Error if nothing fits.
BenchResult run_bench(TrainConfig config, const BenchConfig& bench, const Settings& asked);

}  // namespace gpt
