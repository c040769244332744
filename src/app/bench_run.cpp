#include "app/bench_run.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <sys/resource.h>

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Parallel.h>

#include "gpt/base/terminal.h"
#include "gpt/device/device.h"
#include "gpt/device/memory.h"
#include "gpt/optim/adamw.h"
#include "gpt/train/trainer.h"

#include "app/memory_setup.h"
#include "app/setup.h"
#include "app/synthetic_data.h"

namespace gpt {

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Nothing that a run does between its steps, nothing printed, all of it in the scratch folder.
void leave_only_steps(TrainConfig& config, const fs::path& folder) {
  constexpr std::int64_t kNever = std::int64_t{1} << 40;
  config.io.out_dir = folder / "out";
  config.io.eval_interval = config.io.log_interval = config.optimizer.max_iters = kNever;
  make_directories(config.io.out_dir);
}

// The parts of a run, as the train command assembles them, and the steps.
struct Bench {
  TrainConfig& config;
  const Dataset& dataset;
  Compute compute;
  at::Generator generator;
  Gpt model;
  AdamW optimizer;
  GradScaler scaler;
  CheckpointStore store;
  Metrics metrics;
  Batches batches;
  Report report;
  std::unique_ptr<Engine> engine;
  Trainer trainer;

  // Step 1: step 0's line would be printed.
  static Manifest start() {
    Manifest state;
    state.step = 1;
    return state;
  }

  Bench(TrainConfig& c, const Dataset& data, const Compute& where, const PeakRate& peak)
      : config(c),
        dataset(data),
        compute(where),
        generator(at::detail::createCPUGenerator(static_cast<std::uint64_t>(c.system.seed))),
        model(placed(c, data, where, generator)),
        optimizer(tensors_of(model.parameters()), c.optimizer,
                  offload_level(c.memory.optimizer_offload)),
        scaler(where.type == at::kHalf),
        store(c.io.out_dir, 2),
        metrics(fs::path(c.io.out_dir) / "metrics.jsonl"),
        batches(c.data, data, generator, where.device, {}),
        report(c, where.device, metrics,
               Throughput(model.flops_per_token(),
                          static_cast<double>(batches.effective_batch() * c.data.block_size),
                          peak.flops)),
        engine(set_up_engine(c, model, where)),
        trainer({config, compute, model, *engine, optimizer, scaler, dataset, batches, generator,
                 store, report, ""},
                start()) {
    report.started(1, /*resumed=*/false);
    if (config.memory.empty_cache != "off") release_cached_memory(compute.device);
  }

  static Gpt placed(const TrainConfig& c, const Dataset& data, const Compute& where,
                    at::Generator& generator) {
    Gpt model(c.model, data.vocab_size, c.data.block_size, generator);
    model.to(where.device, offload_level(c.memory.optimizer_offload));
    return model;
  }

  double timed_step() {
    const auto start = Clock::now();
    trainer.advance();
    return seconds_since(start);
  }
};

// A GPU's step has only been queued when the trainer goes on; those that follow wait for each
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

BenchResult run_bench(TrainConfig config, const BenchConfig& bench) {
  const auto start = Clock::now();
  const ScratchFolder folder;
  leave_only_steps(config, folder.path());
  settle_vocabulary(config);
  const Compute compute = set_up_machine(config.system);
  const MachinePlan planned = set_up_memory(config, std::nullopt, compute);
  const Dataset dataset =
      synthetic_dataset(folder.path(), *config.model.vocab_size.value, config.data.block_size);
  BenchResult result;
  Bench run(config, dataset, compute, {});
  result.setup = seconds_since(start);

  reset_peak_memory(compute.device);
  result.first = run.timed_step() + seconds_to_finish(compute.device);
  double last = result.first;
  for (std::int64_t i = 0; i < bench.untimed_iters; ++i) last = run.timed_step();
  const std::int64_t count = iterations_for(bench.timed_iters, last);
  for (std::int64_t i = 0; i < count; ++i) result.whole.push_back(run.timed_step());
  {
    PhaseTimer clock(compute.device);
    for (std::int64_t i = 0; i < count; ++i) {
      run.trainer.advance();
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
  result.tokens = static_cast<double>(run.batches.effective_batch() * config.data.block_size);
  result.flops = run.model.flops_per_token() * result.tokens;
  result.planned = planned.train_peak();
  // The factors of the product need room that graphs may hold.
  run.engine->release_memory();
  release_cached_memory(compute.device);
  result.peak = measured_peak(compute.device, compute.type);
  return result;
}

}  // namespace gpt
