#include "gpt/optim/schedule.h"

#include <cmath>
#include <numbers>

#include "gpt/base/strings.h"

namespace gpt {

namespace {

// What is left of the way down after `progress`, from 0 to 1, of it.
double left_of(const std::string& shape, double progress) {
  if (shape == "linear") return 1.0 - progress;
  if (shape == "sqrt") return 1.0 - std::sqrt(progress);
  return 0.5 * (1.0 + std::cos(std::numbers::pi * progress));
}

}  // namespace

std::int64_t cooldown_iterations(const ScheduleConfig& schedule) {
  const std::int64_t all = schedule.lr_decay_iters;
  return schedule.cooldown_iters.or_else(all -
                                         static_cast<std::int64_t>(0.8 * static_cast<double>(all)));
}

double learning_rate_at(std::int64_t iteration, const OptimizerConfig& optimizer,
                        const ScheduleConfig& schedule) {
  if (!schedule.decay_lr) return optimizer.learning_rate;
  if (iteration < schedule.warmup_iters)
    return optimizer.learning_rate * (static_cast<double>(iteration) + 1) /
           (static_cast<double>(schedule.warmup_iters) + 1);
  if (schedule.lr_schedule == "constant") return optimizer.learning_rate;
  const bool wsd = schedule.lr_schedule == "wsd";
  const std::int64_t end = schedule.lr_decay_iters;
  const std::int64_t begin = wsd ? end - cooldown_iterations(schedule) : schedule.warmup_iters;
  if (iteration > end || end == begin) return schedule.min_lr;
  if (wsd && iteration <= begin) return optimizer.learning_rate;
  const double progress = static_cast<double>(iteration - begin) / static_cast<double>(end - begin);
  const double left = left_of(wsd ? schedule.cooldown_shape : schedule.lr_schedule, progress);
  return schedule.min_lr + left * (optimizer.learning_rate - schedule.min_lr);
}

std::string schedule_text(const OptimizerConfig& optimizer, const ScheduleConfig& schedule) {
  if (!schedule.decay_lr) return format("constant at %g", optimizer.learning_rate);
  const std::string warmup =
      format("warm-up over %s iterations to %g, then ", with_commas(schedule.warmup_iters).c_str(),
             optimizer.learning_rate);
  if (schedule.lr_schedule == "constant") return warmup + "constant";
  const std::string end = format("to %g at iteration %s", schedule.min_lr,
                                 with_commas(schedule.lr_decay_iters).c_str());
  if (schedule.lr_schedule != "wsd") return warmup + schedule.lr_schedule + " " + end;
  return warmup + "constant; from iteration " +
         with_commas(schedule.lr_decay_iters - cooldown_iterations(schedule)) + " " +
         (schedule.cooldown_shape == "sqrt" ? "1 - sqrt" : schedule.cooldown_shape) + " " + end;
}

}  // namespace gpt
