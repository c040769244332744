// What a run may use of its GPU, settled before it opens a context there: from a checkpoint of this
// very machine, or by a probe (gpt/probe). On the CPU nothing is probed.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "gpt/base/error.h"
#include "gpt/config/train_config.h"
#include "gpt/device/compute.h"
#include "gpt/metrics/metrics_sink.h"
#include "gpt/probe/ask.h"
#include "gpt/probe/ladder.h"
#include "gpt/probe/report.h"

namespace gpt {

// Nothing can be computed on the device, eager's operators among it.
class ProbeError : public Error {
  using Error::Error;
};

// What a run of that config would use, if all is right.
ProbeWants probe_wants(const TrainConfig& config, const Compute& compute);

// The arguments of `gpttrain probe` for that config: those that change what is checked.
std::vector<std::string> probe_arguments(const TrainConfig& config, const Compute& compute);

// Probes the GPU of `compute`, or takes `saved` (a manifest's choices, as JSON) if they were made
// on this machine; then choices are made (device_choices.h), and `config` says compile=False,
// compile_mode=default or allocator=native where those steps down were taken. Each step is a
// warning. ProbeError if nothing can be used. Nothing at all on the CPU.
std::vector<StepDown> settle_by_probe(TrainConfig& config, const Compute& compute,
                                      const std::string& saved = {});

// The same for any question and whatever answers it.
std::vector<StepDown> settle_by_answer(const ProbeQuestion& question, TrainConfig& config);

// As events "probe".
void record_steps(const std::vector<StepDown>& steps, MetricsSink& metrics);

}  // namespace gpt
