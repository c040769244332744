// The checks themselves, on the CPU: everything here is right, and each planted fault is found.
#include "gpt/probe/checks.h"

#include <algorithm>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include "gpt/model/engines.h"

namespace gpt {
namespace {

// What lies between an engine and those who ask it, with a fault.
class FaultyEngine : public Engine {
 public:
  FaultyEngine(std::unique_ptr<Engine> right, const Gpt& model, double off)
      : right_(std::move(right)), model_(model), off_(off) {}

  EngineKind kind() const override { return right_->kind(); }
  at::Tensor accumulate(const at::Tensor& x_BT, const at::Tensor& y_BT, const LossScale& scale,
                        const DropoutState& dropout) override {
    const at::Tensor losses = right_->accumulate(x_BT, y_BT, scale, dropout);
    const at::NoGradGuard no_grad;
    model_.parameters()[3].tensor.mutable_grad().mul_(off_);
    return losses;
  }
  at::Tensor token_losses(const at::Tensor& x_BT, const at::Tensor& y_BT) override {
    return right_->token_losses(x_BT, y_BT);
  }
  std::vector<at::Tensor> gradient_buffers() const override { return right_->gradient_buffers(); }
  void replan(const Plan& plan) override { right_->replan(plan); }
  void mask_documents(std::int64_t end) override { right_->mask_documents(end); }

 private:
  std::unique_ptr<Engine> right_;
  const Gpt& model_;
  double off_;
};

MakeEngine faulty(const MakeEngine& right, double off) {
  return [=](const TrainConfig& config, const Gpt& model, const Compute& compute) {
    return std::make_unique<FaultyEngine>(right(config, model, compute), model, off);
  };
}

class ProbeChecks : public ::testing::Test {
 protected:
  ProbeChecks() {
    job_.config.model.n_layer = 3;
    job_.config.model.n_head = 2;
    job_.config.model.n_embd = 32;
    job_.config.model.vocab_size.value = 61;
    job_.config.data.block_size = 16;
    job_.config.data.batch_size = 3;
    job_.config.data.gradient_accumulation_steps = 1;
    job_.wants.expandable_segments = false;
  }
  ~ProbeChecks() override { set_device_choices(std::nullopt); }

  // The findings; `subjects_` as they are.
  ProbeReport probe(const ProbeSubjects& subjects, const std::vector<CheckResult>& earlier = {}) {
    findings_ = earlier;
    answers_ = run_probe(
        job_, subjects, earlier,
        {.begins =
             [&](const CheckResult& check) { begun_.push_back(check.check + " " + check.item); },
         .result = [&](const CheckResult& result) { record(findings_, result); }});
    return settle(findings_, job_.wants);
  }
  ProbeSubjects subjects() const { return probe_subjects(job_); }
  // The only finding that speaks against something.
  std::string bad() const {
    std::string text;
    for (const CheckResult& finding : findings_)
      if (finding.bad()) text += (text.empty() ? "" : "; ") + finding.check + " " + finding.item;
    return text;
  }

  ProbeJob job_{.config = {}, .compute = {c10::Device(c10::kCPU), at::kFloat}, .wants = {}};
  std::vector<CheckResult> findings_;
  std::vector<std::string> begun_;
  bool answers_ = false;
};

TEST_F(ProbeChecks, ThisCpuIsRight) {
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
    job_.compute.type = type;
    const ProbeReport report = probe(subjects());
    EXPECT_TRUE(answers_);
    EXPECT_EQ(bad(), "") << type << (report.steps.empty() ? "" : report.steps[0].text());
    EXPECT_TRUE(report.choices.fused);
    for (const char* what :
         {"device start", "allocator native", "kernel row norm", "attention plain",
          "attention CPU flash", "engine eager", "engine fused", "updates fused"})
      EXPECT_NE(std::find(begun_.begin(), begun_.end(), what), begun_.end()) << what;
  }
}

// The kernels' plain twins through the checks of a card's kernels: right, as there are no others
// here (tests/emulation has them).
TEST_F(ProbeChecks, TheTensorKernelsChecksRunOnAnyDevice) {
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16, at::kHalf}) {
    job_.compute.type = type;
    job_.config.model.dropout = 0.1;
    job_.config.optimizer.optimizer = "muon";
    ProbeSubjects subjects{.kernels = tensor_kernel_checks(job_), .eager = make_eager_engine};
    subjects.attend = this->subjects().attend;
    probe(subjects);
    EXPECT_EQ(bad(), "") << type;
    EXPECT_EQ(std::count_if(findings_.begin(), findings_.end(),
                            [](const auto& finding) { return finding.check == kCheckKernel; }),
              9);
  }
}

// Ten times what is allowed off in the twin of each kernel, one after the other: it is the one that
// is found.
TEST_F(ProbeChecks, EachPlantedKernelFaultIsFound) {
  job_.config.optimizer.optimizer = "muon";
  std::vector<KernelCheck> all = cpu_kernel_checks();
  const auto more = tensor_kernel_checks(job_);
  all.insert(all.end(), more.begin(), more.end());
  for (std::size_t planted = 0; planted < all.size(); ++planted) {
    ProbeSubjects subjects{.kernels = all, .fused = make_cpu_engine, .eager = make_eager_engine};
    subjects.attend = this->subjects().attend;
    const auto right = all[planted].make;
    subjects.kernels[planted].make = [right, off = 1 + 10 * all[planted].limit] {
      KernelTwins twins = right();
      return KernelTwins{twins.ours, [plain = twins.plain, off] {
                           auto outputs = plain();
                           outputs.back() = outputs.back() * off;
                           return outputs;
                         }};
    };
    const ProbeReport report = probe(subjects);
    EXPECT_EQ(bad(), "kernel " + all[planted].name);
    EXPECT_FALSE(report.choices.fused || report.choices.kernels);
    EXPECT_EQ(std::count(begun_.begin(), begun_.end(), "engine fused"), 0)
        << "an engine that steps down is not tried";
  }
}

// Of the weights the iteration is a small part, so it is looked at by itself; in bfloat16, where
// more is allowed, too.
TEST_F(ProbeChecks, AMuonWhoseIterationIsWrongIsFound) {
  job_.config.optimizer.optimizer = "muon";
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
    job_.compute.type = type;
    for (const double off : {1.0, 1.15}) {
      ProbeSubjects planted = subjects();
      planted.fused = nullptr;
      planted.kernels = tensor_kernel_checks(job_);
      std::erase_if(planted.kernels, [](const KernelCheck& check) { return check.name != "muon"; });
      ASSERT_EQ(planted.kernels.size(), 1u);
      planted.kernels[0].make = [right = planted.kernels[0].make, off] {
        KernelTwins twins = right();
        return KernelTwins{[ours = twins.ours, off] {
                             auto outputs = ours();
                             outputs.front() = outputs.front() * off;
                             return outputs;
                           },
                           twins.plain};
      };
      EXPECT_EQ(probe(planted).choices.kernels, off == 1.0) << type << off;
    }
  }
}

TEST_F(ProbeChecks, AWrongAttentionKernelStepsDown) {
  const AttentionWork right = subjects().attend;
  for (const char* fault : {"off", "nan", "throws"}) {
    const std::string how = fault;
    ProbeSubjects planted = subjects();
    planted.fused = nullptr;
    planted.attention = {AttentionKernel::kCudnn, AttentionKernel::kFlash};
    planted.attend = [&](AttentionKernel kernel, const AttentionInput& in, const at::Tensor& dy) {
      // Neither is here: the plain one stands for both.
      auto outputs = right(AttentionKernel::kPlain, in, dy);
      if (kernel != AttentionKernel::kCudnn) return outputs;
      TORCH_CHECK(how != "throws", "planted");
      if (how == "off") outputs[2] = outputs[2] * 1.1;  // of k alone
      if (how == "nan") outputs[1].flatten()[3] = std::numeric_limits<float>::quiet_NaN();
      return outputs;
    };
    const ProbeReport report = probe(planted);
    EXPECT_EQ(bad(), "attention cuDNN") << how;
    EXPECT_EQ(report.choices.attention, std::vector{AttentionKernel::kFlash});
    EXPECT_EQ(report.steps.size(), how == "throws" ? 0u : 1u) << "to lack a kernel is no fault";
    EXPECT_EQ(device_choices()->attention, report.choices.attention);
  }
}

TEST_F(ProbeChecks, AWrongPlainAttentionLeavesNothing) {
  ProbeSubjects planted = subjects();
  planted.attend = [right = planted.attend](AttentionKernel kernel, const AttentionInput& in,
                                            const at::Tensor& dy) {
    auto outputs = right(kernel, in, dy);
    outputs[0] = outputs[0] * 1.1;
    return outputs;
  };
  EXPECT_NE(probe(planted).unusable, "");
}

// One product in three algorithms, of which the second may be wrong.
ProbeSubjects with_products(ProbeSubjects subjects, double first, double second) {
  const MatmulShape shape{.a_rows = 24,
                          .a_columns = 32,
                          .b_rows = 40,
                          .b_columns = 32,
                          .a_stride = 32,
                          .b_stride = 32,
                          .out_stride = 40,
                          .transpose_a = false,
                          .transpose_b = true,
                          .type = at::kBFloat16,
                          .out_type = at::kBFloat16,
                          .accumulate = false,
                          .align_a = 256,
                          .align_b = 64,
                          .align_out = 16,
                          .align_bias = 2};
  subjects.products = [=] { return std::vector{shape}; };
  subjects.algorithms = [](const MatmulArgs&) {
    return std::vector{GemmAlgorithm{7}, GemmAlgorithm{8}, GemmAlgorithm{9}};
  };
  subjects.multiply = [=](const MatmulArgs& args, const GemmAlgorithm& algorithm) {
    if (algorithm[0] == 9) return false;  // does not run
    at::Tensor out = args.out;
    out.copy_(expected_product(args) * (algorithm[0] == 7 ? first : second));
    return true;
  };
  return subjects;
}

TEST_F(ProbeChecks, AWrongAlgorithmStepsDown) {
  ProbeReport report = probe(with_products(subjects(), 1, 1));
  ASSERT_EQ(report.choices.gemm.size(), 1u);
  const auto& [shape, algorithm] = *report.choices.gemm.begin();
  EXPECT_EQ(shape, "24x32 * 40x32^T BFloat16 -> BFloat16 + bias; 256 64 16 2");
  ASSERT_TRUE(algorithm);
  EXPECT_TRUE(algorithm->front() == 7 || algorithm->front() == 8);

  report = probe(with_products(subjects(), 1, 1.05));
  EXPECT_EQ(report.choices.gemm.begin()->second, GemmAlgorithm{7});
  ASSERT_EQ(report.steps.size(), 1u);
  EXPECT_EQ(report.steps[0].to, "the first suggestion");

  report = probe(with_products(subjects(), 1.05, 1.05));
  EXPECT_EQ(report.choices.gemm.begin()->second, std::nullopt);
  EXPECT_EQ(report.steps.back().to, "at::mm");
  EXPECT_TRUE(report.choices.fused) << "at::mm computes it";
}

TEST_F(ProbeChecks, WithDeterministicNoTimeDecides) {
  job_.config.system.deterministic = true;
  const ProbeReport report = probe(with_products(subjects(), 1, 1));
  EXPECT_EQ(report.choices.gemm.begin()->second, GemmAlgorithm{7});
  for (const CheckResult& finding : findings_) EXPECT_EQ(finding.milliseconds, 0);
}

TEST_F(ProbeChecks, AFusedEngineThatIsOffStepsDownToEager) {
  ProbeSubjects planted = subjects();
  planted.fused = faulty(planted.fused, 1.02);
  const ProbeReport report = probe(planted);
  EXPECT_EQ(bad(), "engine fused");
  EXPECT_FALSE(report.choices.fused);
  EXPECT_EQ(report.unusable, "");
  EXPECT_NE(std::find(begun_.begin(), begun_.end(), "updates eager"), begun_.end());
}

TEST_F(ProbeChecks, AnEagerEngineThatIsOffLeavesNothing) {
  ProbeSubjects planted = subjects();
  planted.fused = nullptr;
  planted.eager = [right = planted.eager](const TrainConfig& config, const Gpt& model,
                                          const Compute& compute) {
    // What float32 says is right; eager's own type is not.
    const bool reference = model.parameters()[0].tensor.scalar_type() == at::kDouble;
    return std::make_unique<FaultyEngine>(right(config, model, compute), model,
                                          reference ? 1.0 : 2.0);
  };
  EXPECT_NE(probe(planted).unusable, "");
}

// What an earlier process died of is not tried again, and counts.
TEST_F(ProbeChecks, EarlierFindingsHold) {
  const ProbeReport report =
      probe(subjects(), {{.check = kCheckEngine, .item = kItemFused, .verdict = Verdict::kFailed}});
  EXPECT_EQ(std::count(begun_.begin(), begun_.end(), "engine fused"), 0);
  EXPECT_EQ(std::count(begun_.begin(), begun_.end(), "updates eager"), 1);
  EXPECT_FALSE(report.choices.fused);
}

}  // namespace
}  // namespace gpt
