#include "gpt/device/readback.h"

#include <ATen/ATen.h>
#include <c10/core/impl/VirtualGuardImpl.h>

namespace gpt {

Readback::Readback(const at::Tensor& values) {
  if (values.is_cpu()) {
    host_ = values.clone();
    return;
  }
  host_ = at::empty(values.sizes(), at::TensorOptions().dtype(at::kDouble).pinned_memory(true));
  host_.copy_(values, /*non_blocking=*/true);
  arrived_.emplace(values.device().type());
  arrived_->record(c10::impl::VirtualGuardImpl(values.device().type()).getStream(values.device()));
}

std::vector<double> Readback::wait() const {
  if (arrived_) arrived_->synchronize();
  const auto* value = host_.const_data_ptr<double>();
  return {value, value + host_.numel()};
}

}  // namespace gpt
