// One pass through the checks: what they share.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "gpt/probe/checks.h"

namespace gpt {

// What float32 says of a batch, and how far eager's gradients are from that.
struct EngineComparison {
  std::int64_t sequences = 0;
  at::Tensor losses = {};
  std::vector<at::Tensor> gradients = {};
  std::vector<double> eager_errors = {};
};

class CheckRun {
 public:
  CheckRun(const ProbeJob& job, const ProbeSubjects& subjects,
           const std::vector<CheckResult>& earlier, const ProbeListener& listener)
      : job_(job), subjects_(subjects), listener_(listener), results_(earlier) {}

  bool run();

 private:
  void check_memory();
  void check_graphs();
  void check_kernels();
  void check_attention();
  void check_masked_attention();
  // Those kernels of `check` that are right, on these inputs.
  void time_attention(const char* check, const AttentionInput& in, const at::Tensor& dy_BHTD);
  void find_products();
  void check_products();
  void check_product(const MatmulShape& shape);
  void check_engines();
  double compare_eager(EngineComparison& comparison);
  double compare_fused(const EngineComparison& comparison, CheckResult& result);
  void check_updates();
  void check_replay();

  TrainConfig engine_config(const char* compile_mode);
  std::unique_ptr<Engine> make(const MakeEngine& engine, const char* compile_mode = "default");
  // The model, two layers of the job's widths; made when it is first asked for.
  Gpt& model();
  void drop_gradients();
  at::Tensor tokens(std::int64_t sequences);  // B x (T + 1), the same in every run

  // One finding: `work` returns the error, which may be at most `limit`, and may say more in the
  // result. Nothing of it is thrown on.
  void check(CheckResult result, double limit, const std::function<double(CheckResult&)>& work);
  // Adds to each of `right` how long its work takes, measured in turns; warms the clocks first.
  void time_right(CheckResult timing, double warm_seconds, std::vector<CheckResult> right,
                  const std::vector<std::function<void()>>& works);
  void note(CheckResult result);  // also in place of an earlier one of the same
  // Is there a finding against it already?
  bool bad(const std::string& check, const std::string& item) const;
  bool skipped(const std::string& check, const std::string& item) const;
  bool timed() const;  // is there time to time anything, and may a time decide?
  // From now on what was found so far decides.
  void apply();

  bool wants_fused() const { return subjects_.fused && job_.wants.fused; }
  double scale() const;  // of gradients
  // Nothing speaks against the fused engine so far.
  bool has_fused() const;
  c10::Device device() const { return job_.compute.device; }

  const ProbeJob& job_;
  const ProbeSubjects& subjects_;
  const ProbeListener& listener_;
  std::vector<CheckResult> results_;
  std::chrono::steady_clock::time_point begun_ = std::chrono::steady_clock::now();
  bool device_answers_ = true;
  std::unique_ptr<Gpt> model_;
};

}  // namespace gpt
