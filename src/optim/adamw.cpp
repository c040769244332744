#include "gpt/optim/adamw.h"

#include <algorithm>
#include <utility>

#include <ATen/core/grad_mode.h>

#include "gpt/device/device.h"
#include "gpt/device/memory.h"
#include "gpt/optim/gradients.h"

#include "fused_adamw.h"
#include "streamed_update.h"

namespace gpt {

namespace {

at::Tensor scalar(const c10::Device& device, double value) {
  return at::full({}, value, at::TensorOptions().device(device).dtype(at::kFloat));
}

// Moments next to the parameter, or on the host.
void add(AdamW::Group& group, const at::Tensor& parameter, bool on_host,
         const c10::Device& device) {
  const auto moment = [&] {
    return on_host ? host_zeros(parameter.sizes(), device) : at::zeros_like(parameter);
  };
  group.parameter.push_back(parameter);
  group.exp_avg.push_back(moment());
  group.exp_avg_sq.push_back(moment());
  group.step.push_back(scalar(device, 0));
}

}  // namespace

AdamW::AdamW(const std::vector<at::Tensor>& parameters, const OptimizerConfig& config,
             Offload offload, std::int64_t buffer, std::optional<c10::Device> computes)
    : config_(config) {
  const at::NoGradGuard no_grad;
  TORCH_CHECK(!parameters.empty(), "AdamW: no parameters");
  const c10::Device device = computes.value_or(parameters.front().device());
  std::int64_t all = 0;
  for (const at::Tensor& parameter : parameters) all += parameter.numel();
  if (offload != Offload::kOff)
    streamed_ = std::make_unique<StreamedUpdate>(device, std::min(buffer, 2 * all) / 2,
                                                 offload == Offload::kWeights ? 3 : 2);
  decay_.weight_decay = config.weight_decay;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    Group& group = parameters[i].dim() >= 2 ? decay_ : no_decay_;
    place_.emplace_back(&group, group.parameter.size());
    add(group, parameters[i], streamed_ != nullptr, device);
  }
  one_ = scalar(device, 1);
  counts_ = scalar(device, 0);
}

AdamW::~AdamW() = default;

bool AdamW::takes_table() const {
  return !streamed_ && ParameterTable::usable(one_);
}

void AdamW::set_table() {
  std::vector<UpdatedParameter> all;
  for (const Group* group : {&decay_, &no_decay_})
    for (std::size_t i = 0; i < group->parameter.size(); ++i)
      all.push_back({.parameter = group->parameter[i],
                     .gradient = group->parameter[i].grad(),
                     .exp_avg = group->exp_avg[i],
                     .exp_avg_sq = group->exp_avg_sq[i],
                     .step = group->step[i],
                     .weight_decay = group->weight_decay});
  table_.set(all);
}

at::Tensor AdamW::gradient_norm() {
  const at::NoGradGuard no_grad;
  if (takes_table()) {
    set_table();
    return table_.gradient_norm();
  }
  std::vector<at::Tensor> gradients;
  for (const Group* group : {&decay_, &no_decay_})
    for (const at::Tensor& parameter : group->parameter) gradients.push_back(parameter.grad());
  return gpt::gradient_norm(gradients);
}

void AdamW::step(double learning_rate, const at::Tensor& skip, const at::Tensor& factor) {
  const at::NoGradGuard no_grad;
  for (const Group* group : {&decay_, &no_decay_})
    for (const at::Tensor& parameter : group->parameter)
      TORCH_CHECK(parameter.grad().defined(), "AdamW: a parameter has no gradient");
  if (takes_table()) set_table();
  at::sub_out(counts_, one_, skip);
  for (Group* group : {&decay_, &no_decay_})
    if (!group->parameter.empty()) step_group(*group, learning_rate, skip, factor);
  if (takes_table())
    table_.adamw({.learning_rate = learning_rate,
                  .beta1 = config_.beta1,
                  .beta2 = config_.beta2,
                  .epsilon = kAdamWEpsilon},
                 factor.defined() ? factor : one_, skip);
}

void AdamW::step_group(Group& group, double learning_rate, const at::Tensor& skip,
                       const at::Tensor& factor) {
  at::_foreach_add_(group.step, counts_);
  if (takes_table()) return;  // both groups in one launch
  std::vector<at::Tensor> gradients;
  for (const at::Tensor& parameter : group.parameter) gradients.push_back(parameter.grad());
  const AdamWRates rates{.learning_rate = learning_rate,
                         .beta1 = config_.beta1,
                         .beta2 = config_.beta2,
                         .weight_decay = group.weight_decay};
  const AdamWTensors tensors{group.parameter, std::move(gradients), group.exp_avg, group.exp_avg_sq,
                             group.step};
  if (streamed_)
    stream_adamw(*streamed_, tensors, rates, factor, skip);
  else
    fused_adamw(tensors, rates, factor, skip);
}

AdamW::State AdamW::state(std::size_t parameter) const {
  const auto& [group, at] = place_.at(parameter);
  if (streamed_) synchronize(group->step[at].device());  // moments may be on their way
  return {group->exp_avg[at], group->exp_avg_sq[at], group->step[at]};
}

std::vector<Optimizer::StateTensor> AdamW::state_tensors(std::size_t parameter) const {
  const State state = this->state(parameter);
  return {{"exp_avg", state.exp_avg}, {"exp_avg_sq", state.exp_avg_sq}, {"step", state.step}};
}

std::int64_t AdamW::state_bytes() const {
  std::size_t bytes = 0;
  for (const Group* group : {&decay_, &no_decay_})
    for (const auto* tensors : {&group->exp_avg, &group->exp_avg_sq, &group->step})
      for (const at::Tensor& tensor : *tensors) bytes += tensor.nbytes();
  return static_cast<std::int64_t>(bytes);
}

std::vector<Optimizer::GroupFacts> AdamW::groups() const {
  const auto facts = [](const char* name, const Group& group) {
    std::int64_t parameters = 0;
    for (const at::Tensor& tensor : group.parameter) parameters += tensor.numel();
    return GroupFacts{name, group.parameter.size(), parameters};
  };
  return {facts("decayed", decay_), facts("non-decayed", no_decay_)};
}

}  // namespace gpt
