// Kernel launches recorded once and replayed as one: CUDA graphs. What they read and write must
// stay where it was, and nothing of them may wait for the device.
#pragma once

#include <functional>
#include <memory>

#include <c10/core/Device.h>

namespace gpt {

class DeviceGraph {
 public:
  virtual ~DeviceGraph() = default;

  static bool supported(const c10::Device& device);

  // Records what `run` launches on the device; on CUDA nothing is computed before the first replay.
  // Memory that `run` allocates belongs to the graph. Throws what `run` throws, and c10::Error for
  // work that cannot be recorded.
  static std::unique_ptr<DeviceGraph> capture(const c10::Device& device, std::function<void()> run);

  virtual void replay() = 0;  // on the current stream
};

}  // namespace gpt
