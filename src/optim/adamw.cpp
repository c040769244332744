#include "gpt/optim/adamw.h"

#include <utility>

namespace gpt {

namespace {

constexpr double kEpsilon = 1e-8;  // torch.optim.AdamW's default, which nanoGPT keeps

void step_group(AdamW::Group& group, double learning_rate, const OptimizerConfig& config,
                const at::Tensor& skip) {
  if (group.parameter.empty()) return;
  std::vector<at::Tensor> grads;
  for (const at::Tensor& parameter : group.parameter) {
    TORCH_CHECK(parameter.grad().defined(), "AdamW: a parameter has no gradient");
    grads.push_back(parameter.grad());
  }
  at::_foreach_add_(group.step, 1);
  at::_fused_adamw_(group.parameter, grads, group.exp_avg, group.exp_avg_sq,
                    /*max_exp_avg_sqs=*/{}, group.step, learning_rate, config.beta1, config.beta2,
                    group.weight_decay, kEpsilon, /*amsgrad=*/false, /*maximize=*/false,
                    /*grad_scale=*/{}, skip);
  for (at::Tensor& step : group.step) step.sub_(skip);
}

}  // namespace

AdamW::AdamW(std::vector<at::Tensor> parameters, const OptimizerConfig& config) : config_(config) {
  decay_.weight_decay = config.weight_decay;
  for (std::size_t i = 0; i < parameters.size(); ++i)
    add(parameters[i].dim() >= 2 ? decay_ : no_decay_, i, parameters[i]);
}

void AdamW::add(Group& group, std::size_t index, const at::Tensor& parameter) {
  const at::NoGradGuard no_grad;
  place_.emplace_back(&group, group.parameter.size());
  group.index.push_back(index);
  group.parameter.push_back(parameter);
  group.exp_avg.push_back(at::zeros_like(parameter));
  group.exp_avg_sq.push_back(at::zeros_like(parameter));
  group.step.push_back(at::zeros({}, parameter.options().dtype(at::kFloat)));
}

void AdamW::step(double learning_rate, const at::Tensor& skip) {
  const at::NoGradGuard no_grad;
  step_group(decay_, learning_rate, config_, skip);
  step_group(no_decay_, learning_rate, config_, skip);
}

AdamW::State AdamW::state(std::size_t parameter) const {
  const auto& [group, at] = place_.at(parameter);
  return {group->exp_avg[at], group->exp_avg_sq[at], group->step[at]};
}

}  // namespace gpt
