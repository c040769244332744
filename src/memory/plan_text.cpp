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

std::string table(const Estimate& estimate, std::int64_t limit) {
  std::string out = format("  %-22s %10s %10s\n", "MiB at the peak", "train", "eval");
  for (std::size_t i = 0; i < kMemoryKinds; ++i) {
    const MemoryKind kind = static_cast<MemoryKind>(i);
    if (estimate.train.live[kind] != 0 || estimate.eval.live[kind] != 0)
      out += row(memory_kind_name(kind), estimate.train.live[kind], estimate.eval.live[kind]);
  }
  out += row("needed", estimate.train.live.total(), estimate.eval.live.total());
  out += row("limit", limit, limit);
  out += "  the peaks are in: " + estimate.train.name + "; " + estimate.eval.name + "\n";
  if (estimate.monitor)
    out += format("  tasks, samples and statistics need %.1f; their peak is in: %s\n",
                  mebibytes(estimate.monitor->live.total()), estimate.monitor->name.c_str());
  if (estimate.host > 0)
    out += format("  and %.0f MiB of the host's memory\n", mebibytes(estimate.host));
  return out;
}

// How `other` compares with the best plan.
std::string compared(const char* title, const Workload& workload, const Estimate& other,
                     const Estimate& best) {
  const double percent = 100 * (other.seconds / best.seconds - 1);
  return format("%s: needs %.0f MiB, %.1f %% %s: %s\n", title, mebibytes(other.needs()),
                std::abs(percent), percent < 0 ? "faster" : "slower",
                plan_words(workload, other.plan).c_str());
}

// What Muon costs, and where that is much, what makes it less.
std::string muon_text(const Planner& planner, const Estimate& best) {
  const Workload& workload = planner.workload();
  if (!workload.muon) return "";
  constexpr double kMuch = 0.1;
  const double seconds = muon_seconds(workload, planner.rates());
  const double others = best.seconds - seconds;
  const std::string tokens = with_commas(workload.effective() * workload.block);
  std::string out =
      format("Muon's iteration adds %.4g s to the other %.4g s of a step of %s tokens: %.1f %%\n",
             seconds, others, tokens.c_str(), 100 * seconds / others);
  if (seconds > kMuch * others)
    out +=
        "warning: that is much, and it is the same for a step of more tokens: a larger batch_size "
        "or gradient_accumulation_steps makes it less of the whole; optimizer=adamw does without\n";
  return out;
}

}  // namespace

std::string plan_words(const Workload& workload, const Plan& plan) {
  return format(
      "micro_batch_size %ld (%ld piece%s), recompute %s, head_chunk %ld, optimizer_offload %s, "
      "eval_batch_size %ld",
      static_cast<long>(plan.micro_batch), static_cast<long>(workload.pieces(plan)),
      workload.pieces(plan) == 1 ? "" : "s", recompute_name(plan.recompute),
      static_cast<long>(plan.head_chunk), offload_name(plan.offload),
      static_cast<long>(plan.eval_batch));
}

std::string plan_text(const Planner& planner, const RankedPlans& ranked) {
  const Workload& workload = planner.workload();
  const std::int64_t limit = planner.constraints().limit;
  const std::string each = workload.processes > 1 ? " in this process" : "";
  std::string out = format("%s, %.2f GiB: %.1fM parameters, %s, %ld x %ld tokens a step%s\n",
                           planner.rates().name.c_str(), mebibytes(limit) / 1024,
                           static_cast<double>(workload.parameters()) / 1e6,
                           workload.type_bytes == 4 ? "float32" : "16-bit products",
                           static_cast<long>(workload.effective()),
                           static_cast<long>(workload.block), each.c_str());
  if (!ranked.best) return out + shortfall_text(planner, ranked) + "\n";
  const Estimate& best = *ranked.best;
  out += "plan: " + plan_words(workload, best.plan) + "\n" + table(best, limit);
  const double tokens = static_cast<double>(workload.effective() * workload.block);
  out +=
      format("time model (it ranks plans, it is no promise): %.4g s a step, %s tokens/s\n",
             best.seconds, with_commas(static_cast<std::int64_t>(tokens / best.seconds)).c_str());
  out += muon_text(planner, best);
  if (ranked.runner_up) out += compared("runner-up", workload, *ranked.runner_up, best);
  if (ranked.with_more) out += compared("with more memory", workload, *ranked.with_more, best);
  if (ranked.with_less) out += compared("with less memory", workload, *ranked.with_less, best);
  if (ranked.fastest.needs() > limit)
    out += compared("without a limit", workload, ranked.fastest, best);
  if (ranked.smallest.needs() < best.needs())
    out += compared("the least that works", workload, ranked.smallest, best);
  return out;
}

std::string plan_line(const Planner& planner, const Estimate& estimate) {
  return format("memory plan: %s; peak %.0f MiB in training, %.0f MiB in evaluations, of %.0f MiB",
                plan_words(planner.workload(), estimate.plan).c_str(),
                mebibytes(estimate.train.live.total()), mebibytes(estimate.eval.live.total()),
                mebibytes(planner.constraints().limit));
}

std::string shortfall_text(const Planner& planner, const RankedPlans& ranked) {
  const Estimate& least = ranked.smallest;
  const std::int64_t limit = planner.constraints().limit;
  return format(
      "nothing fits: the least is %.0f MiB, %.0f MiB more than the limit of %.0f MiB (%s)",
      std::ceil(mebibytes(least.needs())), std::ceil(mebibytes(least.needs() - limit)),
      std::floor(mebibytes(limit)), plan_words(planner.workload(), least.plan).c_str());
}

std::string nearest_that_fits(const Planner& planner) {
  const Workload& workload = planner.workload();
  const Constraints& fixed = planner.constraints();
  const auto fits = [&](const Workload& changed) {
    return Planner(changed, {.limit = fixed.limit}, planner.rates()).ranked().best.has_value();
  };
  if (fits(workload)) {
    std::vector<std::string> flags;
    if (fixed.recompute) flags.emplace_back("--recompute=auto");
    if (fixed.offload) flags.emplace_back("--optimizer_offload=auto");
    if (fixed.micro_batch) flags.emplace_back("--micro_batch_size=auto");
    if (fixed.head_chunk) flags.emplace_back("--head_chunk=auto");
    if (fixed.eval_batch) flags.emplace_back("--eval_batch_size=auto");
    return join(flags, " ");
  }
  Workload shorter = workload;
  for (shorter.block /= 2; shorter.block >= 64; shorter.block /= 2)
    if (fits(shorter)) return format("--block_size=%ld", static_cast<long>(shorter.block));
  struct Size {
    std::int64_t layers, heads, width;
  };
  for (const Size& size : {Size{36, 20, 1280}, Size{24, 16, 1024}, Size{12, 12, 768},
                           Size{8, 8, 512}, Size{6, 6, 384}, Size{4, 4, 128}, Size{2, 2, 32}}) {
    Workload smaller = workload;
    smaller.layers = size.layers, smaller.heads = size.heads, smaller.width = size.width;
    if (smaller.parameters() < workload.parameters() && fits(smaller))
      return format("--n_layer=%ld --n_head=%ld --n_embd=%ld", static_cast<long>(size.layers),
                    static_cast<long>(size.heads), static_cast<long>(size.width));
  }
  return "";
}

}  // namespace gpt
