// Each candidate for attention, forward and backward, against plain attention in float32.
#include <algorithm>
#include <optional>
#include <utility>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "check_run.h"
#include "measure.h"

namespace gpt {

namespace {

constexpr double kHalfLimit = 2e-2, kFloatLimit = 5e-3;  // TF32 rounds to 11 bits
constexpr double kWarmSeconds = 0.15;

struct AttentionCase {
  AttentionInput in;
  at::Tensor dy_BHTD;
  AttentionShape shape;
};

// As the engine has them: the q, k and v of a token side by side in a row.
AttentionCase attention_case(const ProbeJob& job) {
  const TrainConfig& config = job.config;
  const std::int64_t B = config.data.micro_batch_size.or_else(config.data.batch_size),
                     T = config.data.block_size, H = config.model.n_head,
                     D = config.model.n_embd / H;
  const auto options = at::TensorOptions().device(job.compute.device).dtype(job.compute.type);
  const at::Tensor qkv_BTKHD = at::empty({B, T, 3, H, D}, options).normal_();
  const auto part = [&](std::int64_t i) { return qkv_BTKHD.select(2, i).transpose(1, 2); };
  return {{.q_BHTD = part(0), .k_BHTD = part(1), .v_BHTD = part(2)},
          at::empty({B, T, H, D}, options).normal_().transpose(1, 2),
          {B, H, T, D, job.compute.type, job.compute.device}};
}

// With the dropout of the job, and of two documents a sequence where it has them.
void mask(const ProbeJob& job, AttentionCase& one) {
  const AttentionShape& shape = one.shape;
  const auto options = at::TensorOptions().device(shape.device).dtype(at::kLong);
  one.in.p = job.config.model.dropout;
  one.in.sequence_B = at::arange(shape.B, options);
  one.in.place = {.seed = 1, .step = 2, .layer = 3};
  if (!job.config.data.document_mask) return;
  const std::int64_t second = shape.T / 3;
  one.in.start_BT =
      (at::arange(shape.T, options).ge(second).to(at::kLong) * second).repeat({shape.B, 1});
}

// By plain attention in float32, a few sequences at a time: the scores take T x T each.
std::vector<at::Tensor> expected_attention(const AttentionCase& one) {
  constexpr std::int64_t kScores = std::int64_t{1} << 26;
  const AttentionShape& shape = one.shape;
  const std::int64_t step =
      std::clamp<std::int64_t>(kScores / (shape.H * shape.T * shape.T), 1, shape.B);
  std::vector<std::vector<at::Tensor>> parts(4);
  for (std::int64_t first = 0; first < shape.B; first += step) {
    const std::int64_t count = std::min(step, shape.B - first);
    const auto some = [&](const at::Tensor& x) { return x.narrow(0, first, count).to(at::kFloat); };
    AttentionInput in{.q_BHTD = some(one.in.q_BHTD),
                      .k_BHTD = some(one.in.k_BHTD),
                      .v_BHTD = some(one.in.v_BHTD),
                      .p = one.in.p,
                      .place = one.in.place};
    if (one.in.sequence_B.defined()) in.sequence_B = one.in.sequence_B.narrow(0, first, count);
    if (one.in.start_BT.defined()) in.start_BT = one.in.start_BT.narrow(0, first, count);
    const AttentionOutput out = attention_forward(AttentionKernel::kPlain, in);
    const AttentionGradient gradient =
        attention_backward(AttentionKernel::kPlain, in, out, some(one.dy_BHTD));
    const at::Tensor answers[] = {out.y_BHTD, gradient.dq_BHTD, gradient.dk_BHTD, gradient.dv_BHTD};
    for (std::size_t i = 0; i < parts.size(); ++i) parts[i].push_back(answers[i].to(shape.type));
  }
  std::vector<at::Tensor> whole;
  for (const auto& part : parts) whole.push_back(at::cat(part));
  return whole;
}

}  // namespace

void CheckRun::check_attention() {
  if (!device_answers_) return;
  const at::NoGradGuard no_grad;
  std::optional<AttentionCase> one;
  std::vector<at::Tensor> expected;
  const double limit = job_.compute.type == at::kFloat ? kFloatLimit : kHalfLimit;
  const std::string plain = kItemPlain;
  check({.check = kCheckAttention, .item = plain}, limit, [&](CheckResult&) {
    one = attention_case(job_);
    expected = expected_attention(*one);
    // A sequence is enough: a card that fits it may not fit the scores of all.
    const auto first = [](const at::Tensor& x) { return x.narrow(0, 0, 1); };
    const AttentionInput in{.q_BHTD = first(one->in.q_BHTD),
                            .k_BHTD = first(one->in.k_BHTD),
                            .v_BHTD = first(one->in.v_BHTD)};
    std::vector<at::Tensor> of_one;
    for (const at::Tensor& whole : expected) of_one.push_back(first(whole));
    return relative_error(subjects_.attend(AttentionKernel::kPlain, in, first(one->dy_BHTD)),
                          of_one);
  });
  if (expected.empty() || bad(kCheckAttention, plain)) return;
  for (const AttentionKernel kernel : subjects_.attention)
    check({.check = kCheckAttention, .item = attention_name(kernel)}, limit, [&](CheckResult&) {
      return relative_error(subjects_.attend(kernel, one->in, one->dy_BHTD), expected);
    });
  expected.clear();
  time_attention(kCheckAttention, one->in, one->dy_BHTD);
}

// The plain kernel too, whose time decides whether the tiled one is worth taking.
void CheckRun::check_masked_attention() {
  const bool masked = job_.config.model.dropout > 0 || job_.config.data.document_mask;
  if (!device_answers_ || !masked || subjects_.masked_attention.empty() ||
      bad(kCheckAttention, kItemPlain))
    return;
  const at::NoGradGuard no_grad;
  std::optional<AttentionCase> one;
  std::vector<at::Tensor> expected;
  std::vector<AttentionKernel> kernels = subjects_.masked_attention;
  kernels.push_back(AttentionKernel::kPlain);
  for (const AttentionKernel kernel : kernels)
    check({.check = kCheckMasked, .item = attention_name(kernel)}, kHalfLimit, [&](CheckResult&) {
      if (!one) {
        one = attention_case(job_);
        mask(job_, *one);
        expected = expected_attention(*one);
      }
      return relative_error(subjects_.attend(kernel, one->in, one->dy_BHTD), expected);
    });
  if (!one) return;
  expected.clear();
  time_attention(kCheckMasked, one->in, one->dy_BHTD);
}

void CheckRun::time_attention(const char* check, const AttentionInput& in,
                              const at::Tensor& dy_BHTD) {
  std::vector<CheckResult> right;
  std::vector<std::function<void()>> works;
  for (const CheckResult& result : results_) {
    const auto kernel = attention_named(result.item);
    if (result.check != check || result.verdict != Verdict::kRight || !kernel ||
        (*kernel == AttentionKernel::kPlain && result.check == kCheckAttention))
      continue;
    right.push_back(result);
    works.push_back([&, kernel] { subjects_.attend(*kernel, in, dy_BHTD); });
  }
  time_right({.check = kCheckTiming, .item = check}, kWarmSeconds, std::move(right), works);
}

}  // namespace gpt
