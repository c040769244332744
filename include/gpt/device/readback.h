// A few numbers on their way from a device: reading them waits for these alone, not for what was
// queued after them.
#pragma once

#include <optional>
#include <vector>

#include <ATen/core/Tensor.h>
#include <c10/core/Event.h>

namespace gpt {

class Readback {
 public:
  // Starts the copy of a float64 vector. All memory it takes is taken here.
  explicit Readback(const at::Tensor& values);

  std::vector<double> wait() const;

 private:
  at::Tensor host_;                    // pinned where there is a device
  std::optional<c10::Event> arrived_;  // none on the CPU
};

}  // namespace gpt
