// The checks of a probe. Everything is compared on the device with what plain operators compute
// there, so that a check runs on any device, and on one that computes nothing (tests/fake_cuda)
// finds nothing.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "gpt/config/train_config.h"
#include "gpt/device/compute.h"
#include "gpt/kernels/ops/attention.h"
#include "gpt/kernels/ops/matmul_algorithms.h"
#include "gpt/model/engine.h"
#include "gpt/probe/ladder.h"
#include "gpt/probe/report.h"

namespace gpt {

// What is probed for: a run's config with device, type, vocabulary and plan settled.
struct ProbeJob {
  TrainConfig config;
  Compute compute;
  ProbeWants wants = {};
};

// One of our kernels and the plain operators that compute the same, on the same inputs.
struct KernelTwins {
  std::function<std::vector<at::Tensor>()> ours, plain;
};
struct KernelCheck {
  std::string name;
  double limit;                       // relative error
  std::function<KernelTwins()> make;  // with their inputs
};

// y, dq, dk and dv.
using AttentionWork = std::function<std::vector<at::Tensor>(
    AttentionKernel kernel, const AttentionInput& in, const at::Tensor& dy_BHTD)>;
using ProductWork = std::function<bool(const MatmulArgs& args, const GemmAlgorithm& algorithm)>;
using MakeEngine =
    std::function<std::unique_ptr<Engine>(const TrainConfig&, const Gpt&, const Compute&)>;

// What is checked; tests plant faults in it.
struct ProbeSubjects {
  std::vector<KernelCheck> kernels = {};
  std::vector<AttentionKernel> attention = {};         // candidates, the plain one not among them
  std::vector<AttentionKernel> masked_attention = {};  // the same with dropout or documents
  AttentionWork attend = {};
  std::function<std::vector<MatmulShape>()> products = {};  // asked when the engine has run
  std::function<std::vector<GemmAlgorithm>(const MatmulArgs&)> algorithms = {};
  ProductWork multiply = {};
  MakeEngine fused = {}, eager = {};  // null: there is none to check
};
ProbeSubjects probe_subjects(const ProbeJob& job);

// Our kernels on tensors (kernels/ops), as a fused engine of that job calls them; and those of the
// CPU on plain memory.
std::vector<KernelCheck> tensor_kernel_checks(const ProbeJob& job);
std::vector<KernelCheck> cpu_kernel_checks();

struct ProbeListener {
  // A check begins: whoever hears nothing after this knows where it was.
  std::function<void(const CheckResult& check)> begins;
  std::function<void(const CheckResult& result)> result;
};

// Runs the checks in their order. `earlier` are findings of a process that did not survive them:
// what they name is not tried again, and what follows from them holds. Returns false if the device
// no longer answers: then the process is of no more use to it. Sets device_choices() as it goes.
bool run_probe(const ProbeJob& job, const ProbeSubjects& subjects,
               const std::vector<CheckResult>& earlier, const ProbeListener& listener);

}  // namespace gpt
