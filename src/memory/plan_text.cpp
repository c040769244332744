#include "gpt/memory/plan_text.h"

#include <cmath>

#include "gpt/base/strings.h"

namespace gpt {

namespace {

double mebibytes(std::int64_t bytes) {
  return static_cast<double>(bytes) / (1 << 20);
}

std::string row(const char* name, std::int64_t train, std::int64_t eval) {
  return format("  %-22s %10.1f %10.1f\n", name, mebibytes(train), mebibytes(eval));
}

std::string table(const Plan& plan, std::int64_t limit) {
  std::string out = format("  %-22s %10s %10s\n", "MiB at the peak", "train", "eval");
  for (std::size_t i = 0; i < kMemoryKinds; ++i) {
    const MemoryKind kind = static_cast<MemoryKind>(i);
    if (plan.train.live[kind] != 0 || plan.eval.live[kind] != 0)
      out += row(memory_kind_name(kind), plan.train.live[kind], plan.eval.live[kind]);
  }
  out += row("needed", plan.train.live.total(), plan.eval.live.total());
  out += row("limit", limit, limit);
  out += "  the peaks are in: " + plan.train.name + "; " + plan.eval.name + "\n";
  if (plan.host > 0) out += format("  and %.0f MiB of the host's memory\n", mebibytes(plan.host));
  return out;
}

// How `other` compares with the best plan.
std::string compared(const char* title, const Problem& problem, const Plan& other,
                     const Plan& best) {
  const double percent = 100 * (other.seconds / best.seconds - 1);
  return format("%s: needs %.0f MiB, %.1f %% %s: %s\n", title, mebibytes(other.needs()),
                std::abs(percent), percent < 0 ? "faster" : "slower",
                choice_text(problem, other.choice).c_str());
}

}  // namespace

std::string choice_text(const Problem& problem, const Choice& choice) {
  return format(
      "micro_batch_size %ld (%ld piece%s), recompute %s, head_chunk %ld, optimizer_offload %s, "
      "eval_batch_size %ld",
      static_cast<long>(choice.micro_batch), static_cast<long>(choice.pieces(problem)),
      choice.pieces(problem) == 1 ? "" : "s", recompute_name(choice.recompute),
      static_cast<long>(choice.head_chunk), offload_name(choice.offload),
      static_cast<long>(choice.eval_batch));
}

std::string plan_text(const Problem& problem, const DeviceRates& rates, const PlanChoice& chosen,
                      std::int64_t limit) {
  std::string out =
      format("%s, %.2f GiB: %.1fM parameters, %s, %ld x %ld tokens a step\n", rates.name.c_str(),
             mebibytes(limit) / 1024, static_cast<double>(problem.parameters()) / 1e6,
             problem.type_bytes == 4 ? "float32" : "16-bit products",
             static_cast<long>(problem.effective()), static_cast<long>(problem.block));
  if (!chosen.best) return out + shortfall_text(problem, chosen, limit) + "\n";
  const Plan& best = *chosen.best;
  out += "plan: " + choice_text(problem, best.choice) + "\n" + table(best, limit);
  const double tokens = static_cast<double>(problem.effective() * problem.block);
  out +=
      format("time model (it ranks plans, it is no promise): %.4g s a step, %s tokens/s\n",
             best.seconds, with_commas(static_cast<std::int64_t>(tokens / best.seconds)).c_str());
  if (chosen.runner_up) out += compared("runner-up", problem, *chosen.runner_up, best);
  if (chosen.with_more) out += compared("with more memory", problem, *chosen.with_more, best);
  if (chosen.with_less) out += compared("with less memory", problem, *chosen.with_less, best);
  if (chosen.fastest.needs() > limit)
    out += compared("without a limit", problem, chosen.fastest, best);
  if (chosen.smallest.needs() < best.needs())
    out += compared("the least that works", problem, chosen.smallest, best);
  return out;
}

std::string plan_line(const Problem& problem, const Plan& plan, std::int64_t limit) {
  return format("memory plan: %s; peak %.0f MiB in training, %.0f MiB in evaluations, of %.0f MiB",
                choice_text(problem, plan.choice).c_str(), mebibytes(plan.train.live.total()),
                mebibytes(plan.eval.live.total()), mebibytes(limit));
}

std::string shortfall_text(const Problem& problem, const PlanChoice& chosen, std::int64_t limit) {
  const Plan& least = chosen.smallest;
  return format(
      "nothing fits: the least is %.0f MiB, %.0f MiB more than the limit of %.0f MiB (%s)",
      std::ceil(mebibytes(least.needs())), std::ceil(mebibytes(least.needs() - limit)),
      std::floor(mebibytes(limit)), choice_text(problem, least.choice).c_str());
}

std::string nearest_that_fits(const Problem& problem, const Fixed& fixed, const DeviceRates& rates,
                              std::int64_t limit) {
  const auto fits = [&](const Problem& changed, const Fixed& kept) {
    return choose_plan(changed, kept, rates, limit).best.has_value();
  };
  if (fits(problem, {})) {
    std::vector<std::string> flags;
    if (fixed.recompute) flags.emplace_back("--recompute=auto");
    if (fixed.offload) flags.emplace_back("--optimizer_offload=auto");
    if (fixed.micro_batch) flags.emplace_back("--micro_batch_size=auto");
    if (fixed.head_chunk) flags.emplace_back("--head_chunk=auto");
    if (fixed.eval_batch) flags.emplace_back("--eval_batch_size=auto");
    return join(flags, " ");
  }
  Problem shorter = problem;
  for (shorter.block /= 2; shorter.block >= 64; shorter.block /= 2)
    if (fits(shorter, {})) return format("--block_size=%ld", static_cast<long>(shorter.block));
  struct Size {
    std::int64_t layers, heads, width;
  };
  for (const Size& size : {Size{36, 20, 1280}, Size{24, 16, 1024}, Size{12, 12, 768},
                           Size{8, 8, 512}, Size{6, 6, 384}, Size{4, 4, 128}, Size{2, 2, 32}}) {
    Problem smaller = problem;
    smaller.layers = size.layers, smaller.heads = size.heads, smaller.width = size.width;
    if (smaller.parameters() < problem.parameters() && fits(smaller, {}))
      return format("--n_layer=%ld --n_head=%ld --n_embd=%ld", static_cast<long>(size.layers),
                    static_cast<long>(size.heads), static_cast<long>(size.width));
  }
  return "";
}

}  // namespace gpt
