// Mixed precision as Python's `with torch.autocast(...)`; LibTorch has no guard of its own.
#pragma once

#include <c10/core/DeviceType.h>
#include <c10/core/ScalarType.h>

namespace gpt {

// While it lives, matmuls and attention on `device` run in `type`; with float32, nothing changes.
// The state is thread-local: a guard covers the forward pass, not the autograd threads of CUDA.
class AutocastGuard {
 public:
  AutocastGuard(c10::DeviceType device, c10::ScalarType type);
  ~AutocastGuard();
  AutocastGuard(const AutocastGuard&) = delete;
  AutocastGuard& operator=(const AutocastGuard&) = delete;

 private:
  c10::DeviceType device_;
  bool active_, was_enabled_;
  c10::ScalarType was_type_;
};

}  // namespace gpt
