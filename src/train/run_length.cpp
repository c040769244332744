#include "gpt/train/run_length.h"

#include <algorithm>

#include "gpt/base/error.h"
#include "gpt/base/log.h"
#include "gpt/base/strings.h"
#include "gpt/checkpoint/store.h"

namespace gpt {

namespace {

[[noreturn]] void refuse(const Settings& settings, const std::string& key, const std::string& why) {
  throw InputError(settings.origin(key) + ": " + key + ": " + why);
}

// The step of step_N, with or without the zeros that make names equally long; -1 for other names.
std::int64_t step_of(const std::string& name) {
  const std::string begin = "step_", digits = name.substr(std::min(begin.size(), name.size()));
  const bool is_number = !digits.empty() && digits.size() < 18 &&
                         digits.find_first_not_of("0123456789") == std::string::npos;
  return name.starts_with(begin) && is_number ? std::stoll(digits) : -1;
}

void settle_cooldown(TrainConfig& config, const Settings& settings) {
  std::string& from = config.schedule.cooldown_from;
  if (from.empty()) return;
  fs::path checkpoint = fs::path(from).lexically_normal();
  if (!checkpoint.has_filename()) checkpoint = checkpoint.parent_path();
  const std::int64_t step = step_of(checkpoint.filename().string());
  if (step < 0)
    refuse(
        settings, "cooldown_from",
        concat("wanted a checkpoint's folder, such as ", config.io.out_dir, "/step_00002000, got ",
               from, "; `gpttrain checkpoint list DIR` names those there are"));
  const fs::path out = fs::path(config.io.out_dir).lexically_normal();
  if (!checkpoint.has_parent_path()) {
    checkpoint = out / checkpoint_name(step);
    config.io.out_dir =
        concat((out.has_filename() ? out : out.parent_path()).string(), "-cooldown-", step);
  } else if (fs::weakly_canonical(out) == fs::weakly_canonical(checkpoint.parent_path())) {
    refuse(settings, "cooldown_from",
           concat(from, " is a checkpoint of out_dir=", config.io.out_dir,
                  ", whose run it would overwrite; choose another --out_dir, or give ",
                  checkpoint.filename().string(), " alone"));
  }
  from = checkpoint.string();
  ScheduleConfig& schedule = config.schedule;
  const std::int64_t length = schedule.cooldown_iters.or_else(std::max<std::int64_t>(step / 4, 1));
  schedule.decay_lr = true;
  schedule.lr_schedule = "wsd";
  schedule.cooldown_iters.value = length;
  schedule.lr_decay_iters = config.optimizer.max_iters = step + length;
  log_info(concat("cooldown_from=", from, ": the learning rate goes down over ",
                  with_commas(length), " iterations, and the run ends at iteration ",
                  with_commas(step + length), "; it is written to ", config.io.out_dir));
}

void settle_tokens(TrainConfig& config, const Settings& settings) {
  const std::int64_t most = config.optimizer.max_tokens, step = tokens_per_step(config.data);
  if (most == 0) return;
  if (most < step)
    refuse(settings, "max_tokens",
           concat("one step trains on ", with_commas(step),
                  " tokens (batch_size * gradient_accumulation_steps * block_size), got ", most,
                  "; give at least as many, or make the step smaller"));
  const std::int64_t last = most / step - 1;
  if (last >= config.optimizer.max_iters) return;
  config.optimizer.max_iters = last;
  log_info(concat("max_tokens=", most, ": the last iteration is ", with_commas(last), ", after ",
                  with_commas((last + 1) * step), " tokens"));
  const ScheduleConfig& schedule = config.schedule;
  if (schedule.decay_lr && schedule.lr_schedule != "constant" && schedule.lr_decay_iters > last + 1)
    log_warning(concat("the learning rate would reach min_lr only at iteration ",
                       with_commas(schedule.lr_decay_iters), " (lr_decay_iters); add ",
                       "--lr_decay_iters=", last + 1, " for all of its schedule"));
}

}  // namespace

std::int64_t tokens_per_step(const DataConfig& data) {
  return data.batch_size * data.gradient_accumulation_steps * data.block_size;
}

void settle_run_length(TrainConfig& config, const Settings& settings) {
  settle_cooldown(config, settings);
  settle_tokens(config, settings);
}

}  // namespace gpt
