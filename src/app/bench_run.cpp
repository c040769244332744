#include "app/bench_run.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <sys/resource.h>
#include <utility>

#include <ATen/Parallel.h>

#include "gpt/base/signal.h"
#include "gpt/base/terminal.h"
#include "gpt/device/device.h"
#include "gpt/device/memory.h"
#include "gpt/metrics/jsonl.h"
#include "gpt/train/machine.h"
#include "gpt/train/memory_setup.h"
#include "gpt/train/probe_setup.h"
#include "gpt/train/run.h"
#include "gpt/train/run_length.h"

#include "app/synthetic_data.h"

namespace gpt {

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Nothing that a run does between its steps, nothing printed.
void leave_only_steps(TrainConfig& config) {
  constexpr std::int64_t kNever = std::int64_t{1} << 40;
  config.io.eval_interval = config.io.log_interval = config.optimizer.max_iters = kNever;
  config.monitor = {};
}

// What a run reads and writes: files that are open and have no name any more, so that nothing of
// them outlives the process, however it ends.
struct OpenFiles {
  explicit OpenFiles(const TrainConfig& config) : OpenFiles(config, ScratchFolder()) {}

  OpenFiles(const TrainConfig& config, const ScratchFolder& folder)
      : dataset(synthetic_dataset(folder.path(), *config.model.vocab_size.value,
                                  config.data.block_size)),
        store(folder.path(), 2),
        metrics(folder.path() / "metrics.jsonl") {
    constexpr std::int64_t kGpt2End = 50256;
    if (config.data.document_mask)
      dataset.document_end = std::min(kGpt2End, dataset.vocab_size - 1);
  }

  Dataset dataset;
  CheckpointStore store;
  JsonlMetrics metrics;
};

double timed_step(Run& run) {
  const auto start = Clock::now();
  run.trainer.iterate();
  return seconds_since(start);
}

// A GPU's step has only been queued when the trainer continues; those that follow wait for each
// other.
double seconds_to_finish(const c10::Device& device) {
  const auto start = Clock::now();
  synchronize(device);
  return seconds_since(start);
}

std::int64_t iterations_for(const AutoInt& asked, double seconds) {
  constexpr double kSeconds = 5, kFewest = 5, kMost = 200;
  return asked.or_else(
      static_cast<std::int64_t>(std::clamp(kSeconds / std::max(seconds, 1e-6), kFewest, kMost)));
}

std::uint64_t process_peak_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::uint64_t>(usage.ru_maxrss) * 1024;
}

}  // namespace

BenchResult run_bench(TrainConfig config, const BenchConfig& bench, const Settings& asked) {
  const auto start = Clock::now();
  leave_only_steps(config);
  settle_vocabulary(config);
  const Compute compute = set_up_machine(config.system, [&](const Compute& where) {
    settle_by_probe(config, where);
    set_up_allocator(config.memory, asked);
  });
  const MachinePlan planned = set_up_memory(config, std::nullopt, compute);
  hold_stop_signals();  // as long as there is a folder to remove
  OpenFiles files(config);
  release_stop_signals();
  BenchResult result;
  // Step 1: step 0's line would be printed.
  Run run(
      {.config = config, .dataset = std::move(files.dataset), .compute = compute, .first_step = 1},
      files.store, files.metrics);
  run.start();
  result.setup = seconds_since(start);

  reset_peak_memory(compute.device);
  result.first = timed_step(run) + seconds_to_finish(compute.device);
  double last = result.first;
  for (std::int64_t i = 0; i < bench.untimed_iters; ++i) last = timed_step(run);
  const std::int64_t count = iterations_for(bench.timed_iters, last);
  for (std::int64_t i = 0; i < count; ++i) result.whole.push_back(timed_step(run));
  {
    PhaseTimer clock(compute.device);
    for (std::int64_t i = 0; i < count; ++i) {
      run.trainer.iterate();
      result.phases.push_back(clock.take());
    }
  }
  result.memory = memory_use(compute.device);
  result.process_peak = process_peak_bytes();
  const DeviceFacts facts = device_facts(std::max<int>(compute.device.index(), 0));
  result.hardware = compute.device.is_cuda() ? facts.cuda_name : facts.cpu_name;
  result.engine = engine_name(planned.planner.workload().engine);
  result.threads = at::get_num_threads();
  result.config = config;
  result.parameters = run.model.parameter_count();
  result.tokens = static_cast<double>(tokens_per_step(run.config.data));
  result.flops = run.model.flops_per_token() * result.tokens;
  result.planned = planned.train_peak();
  // The factors of the product need memory that graphs may hold.
  run.engine->release_memory();
  release_cached_memory(compute.device);
  const double fastest = *std::min_element(result.whole.begin(), result.whole.end());
  result.peak = raised(measured_peak(compute.device, compute.type), result.flops / fastest);
  return result;
}

}  // namespace gpt
