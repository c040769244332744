// The engine's micro-batches as device graphs: one for each shape and scale that keeps coming.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <utility>

#include <ATen/core/Tensor.h>

#include "gpt/device/graph.h"
#include "gpt/model/engine.h"

namespace gpt {

class EngineGraphs {
 public:
  using Run = std::function<at::Tensor(const at::Tensor& x_BT, const at::Tensor& y_BT)>;

  // What run(x, y) returns. The first calls of a shape are plain, which settles what is chosen by
  // measurement; then the work is recorded, and replayed from there on. Where recording fails (no
  // memory for the graph's own, say), it stays plain.
  at::Tensor run(const at::Tensor& x_BT, const at::Tensor& y_BT, const LossScale& scale,
                 const Run& run);

  // All micro-batches of a step have come.
  void step_ended() { ++steps_; }

  // Recorded work refers to memory: forget it when that moves.
  void clear();

  std::size_t recorded() const;

 private:
  static constexpr int kPlainCalls = 2, kPlainSteps = 2;
  static constexpr std::size_t kMostEntries = 8;

  struct Entry {
    int calls = 0;
    // The graph's own input and output. The output lies in the graphs' shared memory, which is why
    // run() copies it at once.
    at::Tensor x_BT, y_BT, token_N;
    std::unique_ptr<DeviceGraph> graph;
    bool failed = false;
  };
  using Key = std::pair<std::int64_t, std::int64_t>;  // B, T

  bool due(Entry& entry) const;
  void record(Entry& entry, const at::Tensor& x_BT, const Run& run);

  std::unique_ptr<DeviceGraphs> graphs_;  // made again for the first that is recorded
  std::map<Key, Entry> entries_;
  LossScale scale_;  // of all entries
  int steps_ = 0;    // since there are entries
};

}  // namespace gpt
