#include "gpt/train/weight_alignment.h"

#include <limits>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "gpt/base/log.h"
#include "gpt/base/strings.h"

namespace gpt {

bool align_weights(std::int64_t step, const Gpt& model, Optimizer& optimizer, ProcessGroup& group) {
  if (group.size() == 1) return false;
  const at::NoGradGuard no_grad;
  std::int64_t sum = 0;
  for (const Parameter& parameter : model.parameters())
    sum += parameter.tensor.detach().view(at::kInt).sum(at::kLong).item<std::int64_t>();
  const std::int64_t here = sum & std::numeric_limits<std::int64_t>::max();
  log_debug(concat("step ", step, ": the bits of the weights add up to ", here));
  const bool same = group.max(here) == here;
  if (!group.any(!same)) return false;
  log_warning(
      "the processes' weights differ in their last bits, as on machines whose processors "
      "round differently; all continue with those of the first process");
  group.broadcast(tensors_of(model.parameters()));
  if (optimizer.sums_everything())
    for (std::size_t i = 0; i < model.parameters().size(); ++i)
      for (const auto& [name, tensor] : optimizer.state_tensors(i)) group.broadcast({tensor});
  return true;
}

}  // namespace gpt
