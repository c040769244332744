// Kernel launches recorded once and replayed as one: CUDA graphs. What they read and write must
// stay where it was, and nothing of them may wait for the device.
#pragma once

#include <functional>
#include <memory>

#include <c10/core/Device.h>

namespace gpt {

class DeviceGraph {
 public:
  virtual ~DeviceGraph() = default;  // waits for replays that are under way

  virtual void replay() = 0;  // on the current stream
};

// Graphs that work in the same memory: their replays must not overlap, and what one leaves there is
// good until the next replay of any. The memory goes back when all of them and this are gone, and
// nothing may be recorded after the last graph went while this lives on.
class DeviceGraphs {
 public:
  virtual ~DeviceGraphs() = default;

  static bool supported(const c10::Device& device);
  static std::unique_ptr<DeviceGraphs> make(const c10::Device& device);

  // Records what `run` launches; on CUDA nothing is computed before the first replay. Memory that
  // `run` allocates belongs to the graphs. Throws what `run` throws, and c10::Error for work that
  // cannot be recorded; the other graphs are none the worse.
  virtual std::unique_ptr<DeviceGraph> capture(const std::function<void()>& run) = 0;
};

}  // namespace gpt
