#include "gpt/optim/adamw.h"

#include <algorithm>
#include <utility>

#include "gpt/kernels/device.h"

#include "fused_adamw.h"
#include "streamed_update.h"

namespace gpt {

namespace {

at::Tensor scalar(const at::Tensor& like, double value) {
  return at::full({}, value, like.options().dtype(at::kFloat).requires_grad(false));
}

// Moments beside the parameter; with a StreamedUpdate they are the host's instead.
void add(AdamW::Group& group, std::size_t index, const at::Tensor& parameter,
         StreamedUpdate* streamed) {
  group.index.push_back(index);
  group.parameter.push_back(parameter);
  group.exp_avg.push_back(streamed ? streamed->add_moment(parameter) : at::zeros_like(parameter));
  group.exp_avg_sq.push_back(streamed ? streamed->add_moment(parameter)
                                      : at::zeros_like(parameter));
  group.step.push_back(scalar(parameter, 0));
}

}  // namespace

Moments moments_of(const MemoryConfig& config) {
  return config.optimizer_offload == "on" ? Moments::kOnHost : Moments::kOnDevice;
}

AdamW::AdamW(std::vector<at::Tensor> parameters, const OptimizerConfig& config, Moments moments,
             std::int64_t buffer)
    : config_(config) {
  const at::NoGradGuard no_grad;
  TORCH_CHECK(!parameters.empty(), "AdamW: no parameters");
  std::int64_t all = 0;
  for (const at::Tensor& parameter : parameters) all += parameter.numel();
  if (moments == Moments::kOnHost)
    streamed_ =
        std::make_unique<StreamedUpdate>(parameters.front().device(), std::min(buffer, 2 * all));
  decay_.weight_decay = config.weight_decay;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    Group& group = parameters[i].dim() >= 2 ? decay_ : no_decay_;
    place_.emplace_back(&group, group.parameter.size());
    add(group, i, parameters[i], streamed_.get());
  }
  one_ = scalar(parameters.front(), 1);
  counts_ = scalar(parameters.front(), 0);
}

AdamW::~AdamW() = default;

void AdamW::step(double learning_rate, const at::Tensor& skip) {
  const at::NoGradGuard no_grad;
  at::sub_out(counts_, one_, skip);
  step_group(decay_, learning_rate, skip);
  step_group(no_decay_, learning_rate, skip);
}

void AdamW::step_group(Group& group, double learning_rate, const at::Tensor& skip) {
  if (group.parameter.empty()) return;
  std::vector<at::Tensor> gradients;
  for (const at::Tensor& parameter : group.parameter) {
    TORCH_CHECK(parameter.grad().defined(), "AdamW: a parameter has no gradient");
    gradients.push_back(parameter.grad());
  }
  at::_foreach_add_(group.step, counts_);
  const AdamWRates rates{.learning_rate = learning_rate,
                         .beta1 = config_.beta1,
                         .beta2 = config_.beta2,
                         .weight_decay = group.weight_decay};
  const AdamWTensors tensors{group.parameter, std::move(gradients), group.exp_avg, group.exp_avg_sq,
                             group.step};
  if (streamed_)
    streamed_->run(tensors, rates, skip);
  else
    fused_adamw(tensors, rates, skip);
}

AdamW::State AdamW::state(std::size_t parameter) const {
  const auto& [group, at] = place_.at(parameter);
  if (streamed_) synchronize(group->step[at].device());  // moments may be on their way
  return {group->exp_avg[at], group->exp_avg_sq[at], group->step[at]};
}

}  // namespace gpt
