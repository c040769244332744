#include "engine_graphs.h"

#include <algorithm>
#include <utility>

#include <ATen/ATen.h>

#include "gpt/base/log.h"
#include "gpt/base/profile_range.h"
#include "gpt/device/device.h"
#include "gpt/device/memory.h"

namespace gpt {

std::size_t EngineGraphs::recorded() const {
  return static_cast<std::size_t>(
      std::count_if(entries_.begin(), entries_.end(),
                    [](const auto& entry) { return entry.second.graph != nullptr; }));
}

void EngineGraphs::clear() {
  entries_.clear();
  graphs_.reset();
  steps_ = 0;
}

// Not before every shape of a step, the smaller last one too, has had its plain calls: what they
// allocate cannot be the graphs', whose memory the first recording takes for good.
bool EngineGraphs::due(Entry& entry) const {
  return !entry.graph && !entry.failed && ++entry.calls > kPlainCalls && steps_ >= kPlainSteps;
}

// What the plain calls cached cannot be the graphs': given back, or everything would be there
// twice.
void EngineGraphs::record(Entry& entry, const GraphInput& input, const Run& run) {
  const NoProfileRanges quiet;  // their ends may wait for the device, which a recording forbids
  const c10::Device device = input.x_BT.device();
  release_cached_memory(device);
  try {
    entry.input = {.x_BT = at::empty_like(input.x_BT), .y_BT = at::empty_like(input.y_BT)};
    if (input.sequence_B.defined()) {
      entry.input.sequence_B = at::empty_like(input.sequence_B);
      entry.input.step_1 = at::empty({1}, input.sequence_B.options());
    }
    if (recorded() == 0) graphs_ = DeviceGraphs::make(device);
    entry.graph = graphs_->capture([&entry, run] { entry.token_N = run(entry.input); });
  } catch (const c10::Error& error) {
    log_warning(
        std::string("compile_mode=reduce-overhead: the work was not recorded as a graph (") +
        error.what_without_backtrace() + "); it runs kernel by kernel");
    forget_error(device);
    entry = {};
    entry.failed = true;
    release_cached_memory(device);
  }
}

at::Tensor EngineGraphs::run(const GraphInput& input, std::int64_t step,
                             const LaunchConstants& constants, const Run& run) {
  const Key key{input.x_BT.size(0), input.x_BT.size(1)};
  const bool others = !(constants == std::exchange(constants_, constants));
  if (others || (entries_.size() >= kMostEntries && !entries_.contains(key))) {
    // What was recorded may not come again, and the plain calls need its memory.
    const bool held = recorded() > 0;
    clear();
    if (held) release_cached_memory(input.x_BT.device());
  }
  Entry& entry = entries_[key];
  if (due(entry)) record(entry, input, run);
  if (!entry.graph) return run(input);
  const ProfileRange range("forward+backward");
  entry.input.x_BT.copy_(input.x_BT);
  entry.input.y_BT.copy_(input.y_BT);
  if (entry.input.step_1.defined()) {
    entry.input.sequence_B.copy_(input.sequence_B);
    entry.input.step_1.fill_(step);
  }
  entry.graph->replay();
  return entry.token_N.clone();
}

}  // namespace gpt
