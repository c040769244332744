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
void EngineGraphs::record(Entry& entry, const at::Tensor& x_BT, const Run& run) {
  const NoProfileRanges quiet;  // their ends may wait for the device, which a recording forbids
  release_cached_memory(x_BT.device());
  try {
    entry.x_BT = at::empty_like(x_BT);
    entry.y_BT = at::empty_like(x_BT);
    if (recorded() == 0) graphs_ = DeviceGraphs::make(x_BT.device());
    entry.graph = graphs_->capture([&entry, run] { entry.token_N = run(entry.x_BT, entry.y_BT); });
  } catch (const c10::Error& error) {
    log_warning(
        std::string("compile_mode=reduce-overhead: the work was not recorded as a graph (") +
        error.what_without_backtrace() + "); it runs kernel by kernel");
    forget_error(x_BT.device());
    entry = {};
    entry.failed = true;
    release_cached_memory(x_BT.device());
  }
}

at::Tensor EngineGraphs::run(const at::Tensor& x_BT, const at::Tensor& y_BT, const LossScale& scale,
                             const Run& run) {
  const Key key{x_BT.size(0), x_BT.size(1)};
  const bool rescaled = !(scale == std::exchange(scale_, scale));
  if (rescaled || (entries_.size() >= kMostEntries && !entries_.contains(key))) {
    // What was recorded may not come again, and the plain calls need its memory.
    const bool held = recorded() > 0;
    clear();
    if (held) release_cached_memory(x_BT.device());
  }
  Entry& entry = entries_[key];
  if (due(entry)) record(entry, x_BT, run);
  if (!entry.graph) return run(x_BT, y_BT);
  const ProfileRange range("forward+backward");
  entry.x_BT.copy_(x_BT);
  entry.y_BT.copy_(y_BT);
  entry.graph->replay();
  return entry.token_N.clone();
}

}  // namespace gpt
