#include "gpt/optim/schedule.h"

#include <cmath>
#include <numbers>

namespace gpt {

double learning_rate_at(std::int64_t iteration, const OptimizerConfig& optimizer,
                        const ScheduleConfig& schedule) {
  if (!schedule.decay_lr) return optimizer.learning_rate;
  if (iteration < schedule.warmup_iters)
    return optimizer.learning_rate * (static_cast<double>(iteration) + 1) /
           (static_cast<double>(schedule.warmup_iters) + 1);
  if (iteration > schedule.lr_decay_iters || schedule.lr_decay_iters == schedule.warmup_iters)
    return schedule.min_lr;
  const double progress = static_cast<double>(iteration - schedule.warmup_iters) /
                          static_cast<double>(schedule.lr_decay_iters - schedule.warmup_iters);
  const double cosine = 0.5 * (1.0 + std::cos(std::numbers::pi * progress));
  return schedule.min_lr + cosine * (optimizer.learning_rate - schedule.min_lr);
}

}  // namespace gpt
