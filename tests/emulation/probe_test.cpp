// The probe's checks of a card's kernels, through the kernels' own sources.
#include <algorithm>

#include "gpt/model/engines.h"
#include "gpt/probe/checks.h"

#include "emulated.h"

namespace gpt {
namespace {

using testing::Emulated;

ProbeJob small_job(at::ScalarType type) {
  ProbeJob job{.config = {}, .compute = {c10::Device(c10::kCPU), type}, .wants = {}};
  job.config.model.n_layer = 2;
  job.config.model.n_head = 2;
  job.config.model.n_embd = 16;
  job.config.model.dropout = 0.1;
  job.config.model.vocab_size.value = 23;
  job.config.data.block_size = 7;
  job.config.data.batch_size = 2;
  job.config.data.gradient_accumulation_steps = 1;
  job.wants.expandable_segments = false;
  return job;
}

std::vector<at::Tensor> attend(AttentionKernel kernel, const AttentionInput& in,
                               const at::Tensor& dy_BHTD) {
  const AttentionOutput out = attention_forward(kernel, in);
  const AttentionGradient gradient = attention_backward(kernel, in, out, dy_BHTD);
  return {out.y_BHTD, gradient.dq_BHTD, gradient.dk_BHTD, gradient.dv_BHTD};
}

// What is checked, and what speaks against it.
std::vector<CheckResult> findings_of(const ProbeJob& job, const ProbeSubjects& subjects) {
  std::vector<CheckResult> findings;
  run_probe(job, subjects, {},
            {.begins = [](const CheckResult&) {},
             .result = [&](const CheckResult& result) { record(findings, result); }});
  set_device_choices(std::nullopt);
  return findings;
}

std::string bad_of(const std::vector<CheckResult>& findings) {
  std::string text;
  for (const CheckResult& finding : findings)
    if (finding.bad()) text += finding.text() + "\n";
  return text;
}

ProbeSubjects tensor_subjects(const ProbeJob& job) {
  return {.kernels = tensor_kernel_checks(job),
          .attention = {},
          .attend = attend,
          .products = [] { return std::vector<MatmulShape>(); },
          .algorithms = {},
          .multiply = {},
          .fused = make_tensor_engine,
          .eager = make_eager_engine};
}

TEST(Emulation, TheProbeFindsNothingAgainstTheKernels) {
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
    const ProbeJob job = small_job(type);
    const Emulated emulated;
    const std::int64_t before = emulation::counts().launches;
    const auto findings = findings_of(job, tensor_subjects(job));
    EXPECT_EQ(bad_of(findings), "") << type;
    EXPECT_GT(emulation::counts().launches, before + 30);
    for (const char* item : {"dropout", "adamw", "fused"})
      EXPECT_TRUE(std::any_of(findings.begin(), findings.end(), [&](const auto& finding) {
        return finding.item == item;
      })) << item;
  }
}

// The tiled kernel against the plain one, with the job's dropout and documents; and one that is
// off, or that this card lacks, is not taken.
TEST(Emulation, TheProbeChecksAttentionInTiles) {
  ProbeJob job = small_job(at::kBFloat16);
  job.config.model.n_embd = 32;
  job.config.data.document_mask = true;
  job.config.system.deterministic = true;  // no time decides
  const Emulated emulated;
  for (const char* fault : {"none", "off", "throws"}) {
    const std::string how = fault;
    ProbeSubjects subjects = tensor_subjects(job);
    subjects.masked_attention = {AttentionKernel::kTiled};
    subjects.attend = [&](AttentionKernel kernel, const AttentionInput& in, const at::Tensor& dy) {
      auto outputs = attend(kernel, in, dy);
      if (kernel != AttentionKernel::kTiled) return outputs;
      EXPECT_TRUE(in.p > 0 && in.start_BT.defined());
      TORCH_CHECK(how != "throws", "planted");
      if (how == "off") outputs[3] = outputs[3] * 1.1;
      return outputs;
    };
    const ProbeReport report = settle(findings_of(job, subjects), job.wants);
    EXPECT_EQ(report.choices.tiled_attention, how == "none") << bad_of(report.checks);
    EXPECT_EQ(report.steps.size(), how == "none" ? 0u : 1u);
    for (const StepDown& step : report.steps) EXPECT_EQ(step.to, kItemPlain);
  }
}

// A graph of the fused engine's work: recorded, replayed, and where that fails, not used.
TEST(Emulation, TheProbeChecksAGraphsReplay) {
  ProbeJob job = small_job(at::kFloat);
  job.wants.graphs = true;
  const Emulated emulated;
  for (const bool refused : {false, true}) {
    testing::refuse_graphs = refused;
    const auto findings = findings_of(job, tensor_subjects(job));
    testing::refuse_graphs = false;
    EXPECT_EQ(settle(findings, job.wants).choices.graphs, !refused) << bad_of(findings);
  }
}

}  // namespace
}  // namespace gpt
