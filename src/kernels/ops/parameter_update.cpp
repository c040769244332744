#include "gpt/kernels/ops/parameter_update.h"

#include <algorithm>
#include <cstring>

#include <ATen/ATen.h>

#include "kernels/cuda/backend.h"

namespace gpt {

namespace {

// 256 KiB of each array: long enough to stream, short enough to balance; a multiple of 4 elements.
constexpr std::int64_t kPieceElements = 1 << 16;

std::vector<std::int64_t> key_of(const std::vector<UpdatedParameter>& parameters) {
  std::vector<std::int64_t> key;
  for (const UpdatedParameter& p : parameters) {
    for (const at::Tensor* tensor :
         {&p.parameter, &p.gradient, &p.exp_avg, &p.exp_avg_sq, &p.step}) {
      TORCH_CHECK(tensor->is_contiguous() && tensor->scalar_type() == at::kFloat,
                  "ParameterTable: contiguous float32 tensors are needed");
      key.push_back(reinterpret_cast<std::int64_t>(tensor->const_data_ptr()));
    }
    key.push_back(p.parameter.numel());
    std::int64_t decay = 0;
    std::memcpy(&decay, &p.weight_decay, sizeof decay);
    key.push_back(decay);
  }
  return key;
}

std::vector<ParameterPiece> cut(const std::vector<UpdatedParameter>& parameters) {
  std::vector<ParameterPiece> pieces;
  for (const UpdatedParameter& p : parameters) {
    for (std::int64_t first = 0; first < p.parameter.numel(); first += kPieceElements) {
      pieces.push_back({.parameter = p.parameter.mutable_data_ptr<float>() + first,
                        .exp_avg = p.exp_avg.mutable_data_ptr<float>() + first,
                        .exp_avg_sq = p.exp_avg_sq.mutable_data_ptr<float>() + first,
                        .gradient = p.gradient.const_data_ptr<float>() + first,
                        .step = p.step.const_data_ptr<float>(),
                        .count = std::min(kPieceElements, p.parameter.numel() - first),
                        .weight_decay = static_cast<float>(p.weight_decay)});
    }
  }
  return pieces;
}

}  // namespace

bool ParameterTable::usable(const at::Tensor& tensor) {
  return has_kernels(tensor);
}

void ParameterTable::set(const std::vector<UpdatedParameter>& parameters) {
  std::vector<std::int64_t> key = key_of(parameters);
  if (key == key_) return;
  std::vector<ParameterPiece> pieces = cut(parameters);
  const auto bytes = static_cast<std::int64_t>(pieces.size() * sizeof(ParameterPiece));
  const at::Tensor host = at::from_blob(pieces.data(), {bytes}, at::kByte);
  const auto device = parameters.front().parameter.device();
  // Pinned, or the host would wait for the step: the modules' gradients lie elsewhere in each.
  pieces_ = device.is_cpu() ? host.clone() : host.pin_memory().to(device, /*non_blocking=*/true);
  count_ = static_cast<std::int64_t>(pieces.size());
  partial_ = at::empty({count_}, at::TensorOptions().device(device).dtype(at::kDouble));
  key_ = std::move(key);
}

at::Tensor ParameterTable::gradient_norm() const {
  run_kernel(pieces_, [&](void* stream) {
    return launch_square_sums(
        {.pieces = static_cast<const ParameterPiece*>(pieces_.const_data_ptr()),
         .partial = partial_.mutable_data_ptr<double>(),
         .count = count_},
        stream);
  });
  return partial_.sum().sqrt().to(at::kFloat);
}

void ParameterTable::adamw(const UpdateRates& rates, const at::Tensor& factor,
                           const at::Tensor& skip) const {
  run_kernel(pieces_, [&](void* stream) {
    return launch_adamw({.pieces = static_cast<const ParameterPiece*>(pieces_.const_data_ptr()),
                         .factor = factor.const_data_ptr<float>(),
                         .skip = skip.const_data_ptr<float>(),
                         .count = count_,
                         .learning_rate = rates.learning_rate,
                         .beta1 = rates.beta1,
                         .beta2 = rates.beta2,
                         .epsilon = rates.epsilon},
                        stream);
  });
}

}  // namespace gpt
