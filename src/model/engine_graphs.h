// The engine's micro-batches as device graphs: one for each shape that keeps coming, while the
// numbers that launches are given stay the same.
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

// What a recorded micro-batch reads from memory, and finds there anew in each replay.
struct GraphInput {
  at::Tensor x_BT, y_BT;
  at::Tensor sequence_B = {};  // dropout's; undefined without it
  at::Tensor step_1 = {};      // see DropoutPlace; the graph's own, undefined in a plain call
};

// What is recorded as a number, and forbids a replay when it is another.
struct LaunchConstants {
  LossScale scale;
  double p = 0;  // dropout's, and what its key is made of besides the place
  std::int64_t seed = 0, step_high = 0;
  bool operator==(const LaunchConstants&) const = default;
};

class EngineGraphs {
 public:
  using Run = std::function<at::Tensor(const GraphInput&)>;

  // What run(input) returns. The first calls of a shape are plain, which settles what is chosen by
  // measurement; then the work is recorded, and replayed from there on. Where recording fails (no
  // memory for the graph's own, say), it stays plain.
  at::Tensor run(const GraphInput& input, std::int64_t step, const LaunchConstants& constants,
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
    GraphInput input;
    at::Tensor token_N;
    std::unique_ptr<DeviceGraph> graph;
    bool failed = false;
  };
  using Key = std::pair<std::int64_t, std::int64_t>;  // B, T

  bool due(Entry& entry) const;
  void record(Entry& entry, const GraphInput& input, const Run& run);

  std::unique_ptr<DeviceGraphs> graphs_;  // made again for the first that is recorded
  std::map<Key, Entry> entries_;
  LaunchConstants constants_;  // of all entries
  int steps_ = 0;              // since there are entries
};

}  // namespace gpt
