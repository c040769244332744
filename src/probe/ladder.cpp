#include "gpt/probe/ladder.h"

#include <algorithm>
#include <utility>

#include "gpt/base/strings.h"

namespace gpt {

namespace {

using Checks = std::vector<CheckResult>;

constexpr double kGain = 0.98;  // of the time: less is not worth another choice

const CheckResult* find_bad(const Checks& checks, std::string_view check,
                            std::string_view item = {}) {
  for (const CheckResult& result : checks)
    if (result.check == check && (item.empty() || result.item == item) && result.bad())
      return &result;
  return nullptr;
}

// Is `other`, which was timed, worth taking instead of `first`?
bool faster(const CheckResult& other, const CheckResult& first) {
  return other.milliseconds > 0 && first.milliseconds > 0 &&
         other.milliseconds < kGain * first.milliseconds;
}

void settle_allocator(const ProbeWants& wants, ProbeReport& report) {
  const CheckResult* bad = find_bad(report.checks, kCheckAllocator, kItemExpandable);
  report.choices.expandable_segments = !bad;
  if (bad && wants.expandable_segments)
    report.steps.push_back({"allocator", "expandable segments", "native", bad->text()});
}

void settle_graphs(const ProbeWants& wants, ProbeReport& report) {
  const CheckResult* bad = find_bad(report.checks, kCheckGraphs);
  report.choices.graphs = !bad;
  if (bad && wants.graphs) report.steps.push_back({"graphs", "graphs", "launches", bad->text()});
}

void settle_engine(const ProbeWants& wants, ProbeReport& report) {
  const CheckResult* bad = find_bad(report.checks, kCheckKernel);
  if (!bad) bad = find_bad(report.checks, kCheckMasked, kItemPlain);
  if (!bad) bad = find_bad(report.checks, kCheckEngine, kItemFused);
  if (!bad) bad = find_bad(report.checks, kCheckUpdates, kItemFused);
  report.choices.kernels = !bad;
  report.choices.fused = wants.fused && !bad;
  if (bad && wants.fused)
    report.steps.push_back({"engine", "fused", "eager", bad->text()});
  else if (bad)
    report.steps.push_back({"kernels", "our kernels", "ATen's operators", bad->text()});
}

// The right ones in the order in which PyTorch would take them, then by their times.
std::vector<AttentionKernel> attention_order(const Checks& checks, bool cudnn_first) {
  std::vector<const CheckResult*> right;
  const char* cudnn = attention_name(AttentionKernel::kCudnn);
  const char* flash = attention_name(AttentionKernel::kFlash);
  const char* efficient = attention_name(AttentionKernel::kEfficient);
  const std::vector<const char*> order =
      cudnn_first ? std::vector{cudnn, flash, efficient} : std::vector{flash, efficient, cudnn};
  for (const char* name : order)
    for (const CheckResult& result : checks)
      if (result.check == kCheckAttention && result.item == name &&
          result.verdict == Verdict::kRight)
        right.push_back(&result);
  if (right.empty()) return {};
  const CheckResult* first = right.front();
  for (const CheckResult* other : right)
    if (faster(*other, *right.front()) &&
        (first == right.front() || other->milliseconds < first->milliseconds))
      first = other;
  std::vector<AttentionKernel> kernels{*attention_named(first->item)};
  // Where the first goes wrong later, what is below it on the ladder takes its place.
  for (const char* name : {flash, efficient})
    for (const CheckResult* other : right)
      if (other->item == name && other != first) kernels.push_back(*attention_named(name));
  return kernels;
}

void settle_attention(const ProbeWants& wants, ProbeReport& report) {
  std::vector<AttentionKernel>& kernels = report.choices.attention;
  kernels = attention_order(report.checks, wants.cudnn_first);
  const std::string next = kernels.empty() ? kItemPlain : attention_name(kernels.front());
  const CheckResult* refused = nullptr;
  bool stepped = false;
  for (const CheckResult& result : report.checks) {
    if (result.check != kCheckAttention || !result.bad() || result.item == kItemPlain) continue;
    if (result.verdict == Verdict::kRefused) {
      refused = &result;  // a card or a library that lacks it, which is no fault
      continue;
    }
    report.steps.push_back({"attention", result.item, next, result.text()});
    stepped = true;
  }
  if (kernels.empty() && refused && !stepped)
    report.steps.push_back({"attention", refused->item, next, refused->text()});
}

void settle_masked_attention(ProbeReport& report) {
  const char* tiled_name = attention_name(AttentionKernel::kTiled);
  const CheckResult *tiled = nullptr, *plain = nullptr;
  for (const CheckResult& result : report.checks) {
    if (result.check != kCheckMasked) continue;
    if (result.item == tiled_name) tiled = &result;
    if (result.item == kItemPlain) plain = &result;
  }
  if (!tiled) return;
  const bool timed = plain && plain->milliseconds > 0 && tiled->milliseconds > 0;
  report.choices.tiled_attention =
      tiled->verdict == Verdict::kRight && (!timed || faster(*tiled, *plain));
  if (tiled->bad()) report.steps.push_back({kCheckMasked, tiled_name, kItemPlain, tiled->text()});
}

// One shape's candidates, the library's first suggestion first.
struct ShapeCandidates {
  std::string shape;
  std::vector<const CheckResult*> all;
};

std::vector<ShapeCandidates> by_shape(const Checks& checks, GemmLevel level) {
  std::vector<ShapeCandidates> shapes;
  for (const CheckResult& result : checks) {
    if (result.check != kCheckProduct || !result.algorithm) continue;
    if (level == GemmLevel::kFirst && result.item != kItemFirst) continue;
    const auto found = std::find_if(shapes.begin(), shapes.end(), [&](const auto& candidates) {
      return candidates.shape == result.shape;
    });
    if (found == shapes.end())
      shapes.push_back({result.shape, {&result}});
    else
      found->all.push_back(&result);
  }
  return shapes;
}

const CheckResult* best_product(const ShapeCandidates& candidates) {
  const CheckResult* best = nullptr;
  for (const CheckResult* candidate : candidates.all) {
    if (candidate->verdict != Verdict::kRight) continue;
    if (!best || faster(*candidate, *best)) best = candidate;
  }
  return best;
}

// Many shapes may fail alike: one step for all that take the same one.
void add_product_step(std::vector<StepDown>& steps, const StepDown& step) {
  for (StepDown& before : steps)
    if (before.ladder == step.ladder && before.from == step.from && before.to == step.to) {
      if (before.why.find("; and others") == std::string::npos) before.why += "; and others";
      return;
    }
  steps.push_back(step);
}

void settle_products(ProbeReport& report) {
  const std::string ladder = "matrix products", tuned = "the tuned algorithm",
                    first = "the first suggestion";
  DeviceChoices& choices = report.choices;
  // Those that ended the process: whatever they were, no other of their kind is tried.
  for (const CheckResult& result : report.checks) {
    if (result.check != kCheckProduct || result.algorithm || !result.bad()) continue;
    const bool was_first = result.item == kItemFirst;
    const GemmLevel level = was_first ? GemmLevel::kAten : GemmLevel::kFirst;
    choices.gemm_level = std::max(choices.gemm_level, level);
    add_product_step(report.steps, {ladder, was_first ? first : tuned,
                                    was_first ? std::string("at::mm") : first, result.text()});
  }
  if (choices.gemm_level == GemmLevel::kAten) return;
  for (const ShapeCandidates& candidates : by_shape(report.checks, choices.gemm_level)) {
    const CheckResult* best = best_product(candidates);
    choices.gemm[candidates.shape] = best ? best->algorithm : std::nullopt;
    for (const CheckResult* candidate : candidates.all)
      if (candidate->verdict == Verdict::kWrong)
        add_product_step(report.steps, {ladder, candidate->item == kItemFirst ? first : tuned,
                                        !best                      ? "at::mm"
                                        : best->item == kItemFirst ? first
                                                                   : "another algorithm",
                                        candidate->text()});
  }
}

// What nothing can take the place of.
std::string why_unusable(const Checks& checks) {
  for (const CheckResult& result : checks) {
    if (!result.bad()) continue;
    const bool last_rung = result.check == kCheckDevice ||
                           (result.check == kCheckAllocator && result.item != kItemExpandable) ||
                           (result.check == kCheckAttention && result.item == kItemPlain) ||
                           (result.check == kCheckEngine && result.item == kItemEager) ||
                           (result.check == kCheckUpdates && result.item == kItemEager);
    if (last_rung) return result.text();
  }
  return "";
}

}  // namespace

std::optional<StepDown> step_down_masked(DeviceChoices& choices, const std::string& why) {
  if (!choices.tiled_attention) return std::nullopt;
  choices.tiled_attention = false;
  return StepDown{kCheckMasked, attention_name(AttentionKernel::kTiled), kItemPlain, why};
}

std::optional<StepDown> step_down(DeviceChoices& choices, const std::string& why) {
  if (!choices.attention.empty()) {
    const std::string from = attention_name(choices.attention.front());
    choices.attention.erase(choices.attention.begin());
    return StepDown{
        "attention", from,
        choices.attention.empty() ? kItemPlain : attention_name(choices.attention.front()), why};
  }
  if (auto masked = step_down_masked(choices, why)) return masked;
  if (!choices.fused) return std::nullopt;
  choices.fused = choices.kernels = false;
  return StepDown{"engine", "fused", "eager", why};
}

ProbeReport settle(std::vector<CheckResult> checks, const ProbeWants& wants) {
  ProbeReport report;
  report.checks = std::move(checks);
  settle_allocator(wants, report);
  settle_attention(wants, report);
  settle_masked_attention(report);
  settle_products(report);
  settle_engine(wants, report);
  settle_graphs(wants, report);
  report.unusable = why_unusable(report.checks);
  return report;
}

}  // namespace gpt
