// From what a probe found to what may be used: a function of the findings alone.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "gpt/probe/report.h"

namespace gpt {

// Words of findings that decide.
inline constexpr const char *kCheckDevice = "device", *kCheckAllocator = "allocator",
                            *kCheckGraphs = "graphs", *kCheckKernel = "kernel",
                            *kCheckAttention = "attention", *kCheckMasked = "masked attention",
                            *kCheckProduct = "product", *kCheckEngine = "engine",
                            *kCheckUpdates = "updates", *kCheckTiming = "timing";
inline constexpr const char *kItemExpandable = "expandable_segments", *kItemNative = "native",
                            *kItemTuned = "tuned", *kItemFirst = "first", *kItemFused = "fused",
                            *kItemEager = "eager", *kItemPlain = "plain";

// What the run would use of a device that is right in everything.
struct ProbeWants {
  bool fused = true, graphs = false, expandable_segments = true;
  // PyTorch takes cuDNN's attention first where it was made for the card.
  bool cudnn_first = false;
};

// The choices and the steps down that the findings lead to, in the ladders' order:
//   attention: cuDNN -> flash -> efficient -> plain; among the right ones, another than the first
//     only where it is 2 % faster
//   masked attention (with dropout or documents): tiled -> plain; tiled only where it is 2 %
//   faster,
//     or no time was taken
//   matrix products: tuned algorithm -> the library's first suggestion -> at::mm
//   graphs -> launches; expandable segments -> native; fused -> eager
// `unusable` where eager fails too.
ProbeReport settle(std::vector<CheckResult> checks, const ProbeWants& wants);

// One step down from `choices` while a run uses them: the next attention kernel, then eager, where
// the tiled one comes after those for attention without a mask.
// Nothing if nothing is left.
std::optional<StepDown> step_down(DeviceChoices& choices, const std::string& why);

// Only that from the tiled kernel, which computes attention with dropout or documents.
std::optional<StepDown> step_down_masked(DeviceChoices& choices, const std::string& why);

}  // namespace gpt
