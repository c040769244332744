#include "gpt/train/trainer.h"

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <utility>

#include <ATen/ATen.h>

#include "gpt/base/log.h"
#include "gpt/base/profile_range.h"
#include "gpt/base/strings.h"
#include "gpt/device/memory.h"
#include "gpt/kernels/device_choices.h"
#include "gpt/probe/ladder.h"
#include "gpt/train/canary.h"
#include "gpt/train/rollback.h"

#include "generator_snapshot.h"

namespace gpt {

Trainer::Trainer(Parts parts, const Manifest& start)
    : parts_(std::move(parts)),
      state_(start),
      lowest_val_loss_(start.best_val_loss),
      spike_guard_(parts_.config.optimizer, start),
      writer_(
          {parts_.store, parts_.model, parts_.optimizer, parts_.generator, parts_.compute.device},
          parts_.config.io.async_checkpoints, parts_.group),
      train_step_({parts_.config, parts_.compute, parts_.model, parts_.engine, parts_.optimizer,
                   parts_.scaler, parts_.batches, parts_.group, spike_guard_, parts_.statistics}),
      oom_retry_(parts_.compute.device, parts_.engine, parts_.config.data.block_size, parts_.group,
                 [this](const std::string& what) { parts_.report.replanned(state_.step, what); }),
      plan_(plan_of(parts_.config.model, parts_.config.memory, parts_.model.vocab_size())),
      eval_plan_(plan_),
      time_limit_(parts_.config.optimizer.max_minutes, std::getenv("SLURM_JOB_END_TIME")) {
  plan_.micro_batch = parts_.batches.micro_batch();
  eval_plan_.micro_batch = parts_.batches.evaluation_batch();
  train_step_.stop_requested = [this] { return signals_ && signals_->requested(); };
  if (parts_.compute.device.is_cuda())
    canary = [of = Canary(parts_.config, parts_.model, parts_.compute, parts_.dataset)](
                 Engine& engine) { return of.complaint(engine); };
  reads_late = parts_.compute.device.is_cuda() && parts_.compute.type != at::kHalf;
}

ExitCode Trainer::run(const StopSignals& signals) {
  // However it ends, nothing is being written when the run's folder is put away.
  const auto end = [this](CheckpointWriter* writer) {
    writer->finish();
    signals_ = nullptr;
  };
  const std::unique_ptr<CheckpointWriter, decltype(end)> at_the_end(&writer_, end);
  signals_ = &signals;
  const TrainConfig& config = parts_.config;
  if (state_.step > config.optimizer.max_iters && !config.io.eval_only) {
    log_info(format("nothing to do: the checkpoint is at step %ld, max_iters is %ld", state_.step,
                    config.optimizer.max_iters));
    return kExitDone;
  }
  for (;; ++state_.step) {
    if (rollback_due()) roll_back();
    // Before anything is saved at this step, so that what is saved knows of it.
    if (!look(signals, /*at_end=*/false)) return stop();
    if (evaluation_due() && !evaluate(signals)) return stop();
    if (config.io.eval_only) return kExitDone;
    save_between_evaluations();
    iterate();
    if (cut_short_) return stop();
    if (state_.step + 1 > config.optimizer.max_iters) break;
    if (stop_cause_ != 0) {
      ++state_.step;
      return stop();
    }
  }
  ++state_.step;
  look(signals, /*at_end=*/true);  // a signal that comes now finds the run at its end
  if (!save("end"))
    throw Error(
        concat("the run is over, but its last checkpoint could not be written (see above); ",
               "free some space and resume from the one before"));
  parts_.report.done(state_.step, lowest_val_loss_);
  return kExitDone;
}

void Trainer::iterate() {
  const ProfileRange range("iteration");
  const TimeLimit::Timed timed(time_limit_);
  if (parts_.statistics.due(state_.step)) report_step();  // in the order of the steps
  if (!queued_) parts_.report.start_step();
  QueuedStep next = take_step();
  report_step();
  if (cut_short_) return;
  queued_ = std::move(next);
  if (!reads_late) report_step();
}

bool Trainer::step_cut_short() {
  if (!signals_) return false;
  constexpr int kCutShort = 1 << 16;  // above all causes
  int cause = stop_cause_here(*signals_) + (train_step_.cut_short() ? kCutShort : 0);
  try {
    cause = static_cast<int>(parts_.group.max(cause));
  } catch (const LostProcess& error) {
    parts_.batches.finish_step();
    ++state_.step;  // the step is complete
    give_up(error);
  }
  stop_cause_ = cause % kCutShort;
  return cause >= kCutShort;
}

bool Trainer::stop_requested(const StopSignals& signals) {
  stop_cause_ = static_cast<int>(parts_.group.max(stop_cause_here(signals)));
  return stop_cause_ != 0;
}

int Trainer::stop_cause_here(const StopSignals& signals) const {
  return signals.requested() ? signals.number() : time_limit_.due();
}

ExitCode Trainer::stop() {
  const std::string time = TimeLimit::name(stop_cause_);
  const std::string cause = time.empty() ? stop_signal_name(stop_cause_) : time;
  if (!parts_.config.io.eval_only && !save((time.empty() ? "signal " : "time ") + cause))
    throw Error(
        concat("stopped by ", cause, " at step ", state_.step,
               ", but no checkpoint could be written (see above); free some space and resume ",
               "from the one before"));
  parts_.report.stopped(state_.step, cause);
  return kExitStopped;
}

bool Trainer::evaluation_due() const {
  const std::int64_t interval = parts_.config.io.eval_interval;
  const bool due = parts_.config.io.eval_only || (interval > 0 && state_.step % interval == 0);
  return due && state_.last_eval_step != state_.step;
}

bool Trainer::look(const StopSignals& signals, bool at_end) {
  if (!parts_.monitor.due(state_, at_end)) return true;
  report_step();
  const std::int64_t texts = oom_retry_.planner
                                 ? oom_retry_.planner->decoder_batch(plan_)
                                 : default_decoder_batch(parts_.config.data.block_size);
  try {
    stop_cause_ = parts_.monitor.look(state_, at_end, texts, plan_.head_chunk,
                                      [&] { return stop_cause_here(signals); });
  } catch (const Error& error) {
    give_up(error);
  }
  return stop_cause_ == 0;
}

bool Trainer::evaluate(const StopSignals& signals) {
  report_step();
  const IoConfig& io = parts_.config.io;
  parts_.report.start_evaluation();
  const auto empty_cache = [&] {
    if (parts_.config.memory.empty_cache == "eval") release_cached_memory(parts_.compute.device);
  };
  empty_cache();
  const GeneratorSnapshot before(
      parts_.generator);  // a resumed run evaluates again, from the same draws
  std::optional<SplitLosses> losses;
  const auto work = [&] {
    losses = estimate_loss(
        parts_.engine, parts_.batches, parts_.group, io.eval_iters,
        [&](std::int64_t done, std::int64_t total) {
          parts_.report.evaluating(done, total);
          return !stop_requested(signals);
        },
        [&] { return signals.requested(); });
  };
  // The engine's plan stays smaller for training, too: it is one allocator.
  const auto as_before = [&] {
    parts_.batches.abandon_evaluation();
    before.restore(parts_.generator);
  };
  try {
    oom_retry_.run(concat("the evaluation of step ", state_.step), eval_plan_, /*backward=*/false,
                   work, [&](const Plan& next) {
                     as_before();
                     parts_.batches.set_evaluation_batch(next.micro_batch);
                     plan_.head_chunk = next.head_chunk;
                     parts_.engine.replan(plan_);
                   });
  } catch (const Error& error) {
    as_before();
    give_up(error);
  }
  if (!losses) {
    before.restore(parts_.generator);
    return false;
  }
  empty_cache();
  parts_.report.evaluated(state_.step);
  if (ask_canary()) {  // what was evaluated with is out of use: again, with the same windows
    as_before();
    return evaluate(signals);
  }
  judge(*losses);
  return true;
}

// Before the weights are saved: what is saved with them is what the run continues with.
bool Trainer::ask_canary() {
  if (!canary) return false;
  bool stepped = false;
  while (true) {
    const std::optional<std::string> wrong = canary(parts_.engine);
    if (!parts_.group.any(wrong.has_value())) return stepped;
    const auto now = device_choices();
    DeviceChoices choices = now ? *now : DeviceChoices();
    const std::string why = wrong.value_or("another process found it wrong");
    const auto step = step_down(choices, why);
    if (!step) {
      log_warning(why + "; nothing is left to step down to");
      return stepped;
    }
    set_device_choices(choices);
    parts_.report.stepped_down(state_.step, *step);
    stepped = true;
  }
}

bool Trainer::excused(std::int64_t step, const StepResult& result) {
  if (step <= excused_to_) return true;  // it was queued before the step down
  const auto now = device_choices();
  if (parts_.compute.type != at::kBFloat16 || !now) return false;
  const bool masked = parts_.config.model.dropout > 0 || parts_.config.data.document_mask;
  const bool cudnn = !now->attention.empty() && now->attention.front() == AttentionKernel::kCudnn;
  if (!(masked ? now->tiled_attention : cudnn)) return false;
  DeviceChoices choices = *now;
  const std::string why =
      format("iter %ld: loss %g, gradient norm %g: not finite, the update was skipped", step,
             result.mean_loss, result.gradient_norm);
  const auto down = masked ? step_down_masked(choices, why) : step_down(choices, why);
  set_device_choices(choices);
  parts_.report.stepped_down(step, *down);
  excused_to_ = newest_queued_;
  return true;
}

// As nanoGPT: nothing is worth saving before the first step, and its loss counts all the same.
void Trainer::judge(const SplitLosses& losses) {
  const IoConfig& io = parts_.config.io;
  settle_save(/*wait=*/true);  // what is best depends on what is on disk
  state_.last_eval_step = state_.step;
  state_.val_loss = losses.val;
  state_.best = losses.val < state_.best_val_loss;
  const bool lowest = losses.val < lowest_val_loss_;
  if (lowest) lowest_val_loss_ = losses.val;
  parts_.report.evaluation(state_.step, losses, lowest);
  if (io.eval_only) return;
  if (state_.step == 0) {
    state_.best_val_loss = std::min(state_.best_val_loss, losses.val);
  } else if (state_.best || io.always_save_checkpoint) {
    save("evaluation");
  }
}

QueuedStep Trainer::take_step() {
  std::optional<QueuedStep> queued;
  const auto work = [&] { queued = train_step_.queue(state_.step); };
  try {
    oom_retry_.run(concat("iter ", state_.step), plan_, /*backward=*/true, work,
                   [&](const Plan& next) {
                     train_step_.drop_gradients();
                     parts_.batches.restart_step(next.micro_batch);
                     parts_.engine.replan(next);
                   });
  } catch (const Error& error) {
    give_up(error);
  }
  if ((cut_short_ = step_cut_short())) {
    log_info(format("iter %ld is cut short: it would have taken too long for a stop", state_.step));
    parts_.batches.restart_step(plan_.micro_batch);
    return std::move(*queued);
  }
  newest_queued_ = state_.step;
  if (spike_guard_.on()) queued->windows = parts_.batches.windows();
  parts_.batches.finish_step();
  if (const auto less = oom_retry_.under_pressure(plan_)) {
    set_plan(*less);
    // Else the next step might flush the larger plan's blocks, and shrink again.
    release_cached_memory(parts_.compute.device);
  }
  return std::move(*queued);
}

void Trainer::set_plan(const Plan& plan) {
  plan_ = plan;
  parts_.batches.restart_step(plan.micro_batch);
  parts_.engine.replan(plan);
}

void Trainer::report_step() {
  if (!queued_) return;
  const QueuedStep queued = std::move(*std::exchange(queued_, std::nullopt));
  const StepResult result = queued.wait();
  parts_.report.step(queued.step, result);
  if (result.spike) meet_spike(queued, result);
  guard_against_divergence(queued.step, result);
}

void Trainer::meet_spike(const QueuedStep& queued, const StepResult& result) {
  Spike spike = spike_guard_.scored(queued.step, result.mean_loss, result.gradient_norm);
  for (const Window& window : queued.windows)
    spike.windows.push_back(window_name(parts_.dataset, window));
  spike.action =
      spike_guard_.skips() ? "the update was skipped" : "the update was made (spike=warn)";
  parts_.report.spike(spike);
  if (spike_guard_.rolls_back() && !spike_) spike_ = spike;
}

// What is saved or evaluated next must not be what the run is about to leave.
bool Trainer::rollback_due() {
  if (!spike_guard_.rolls_back()) return false;
  const std::int64_t interval = parts_.config.io.checkpoint_interval;
  const bool saves = retry_.failures() > 0 || (interval > 0 && state_.step % interval == 0);
  if (saves || evaluation_due()) report_step();
  return spike_.has_value();
}

// The weights, the optimizer and the step number become the checkpoint's; the data continue, so
// that the same windows do not come again.
void Trainer::roll_back() {
  constexpr std::int64_t kMost = 5;
  const Spike spike = *std::exchange(spike_, std::nullopt);
  if (queued_) std::exchange(queued_, std::nullopt)->wait();
  settle_save(/*wait=*/true);
  const auto checkpoint = last_checkpoint(parts_.store, parts_.group);
  if (!checkpoint) {
    log_warning(concat("iter ", spike.step, ": there is no checkpoint yet to roll back to"));
    return;
  }
  const std::int64_t rollbacks = state_.rollbacks + 1;
  if (rollbacks > kMost)
    throw Error(concat(
        "iter ", spike.step, ": a spike once more, after ", kMost, " rollbacks in a ",
        "row that training did not get beyond; the checkpoint of step ", checkpoint->step,
        " is untouched. Look at the text of the windows above, ",
        "then resume with a lower learning_rate, a higher spike_threshold or ", "spike=skip"));
  const std::int64_t from = std::max(state_.rolled_back_from, spike.step);
  const std::string version = state_.program_version;
  restore_training(*checkpoint, parts_.model, parts_.optimizer, parts_.scaler, parts_.group);
  state_ = checkpoint->manifest;
  state_.program_version = version;
  state_.rollbacks = rollbacks;
  state_.rolled_back_from = from;
  spike_guard_.restore(state_);
  newest_queued_ = excused_to_ = -1;
  parts_.batches.restart_step(plan_.micro_batch);
  parts_.engine.weights_changed();
  if (before_restart && parts_.group.is_first()) before_restart();
  parts_.report.rolled_back(spike, state_.step);
}

void Trainer::guard_against_divergence(std::int64_t step, const StepResult& result) {
  // With float16, a skipped step first of all means that the loss scale was too large.
  const bool searching_scale = parts_.scaler.scale() > 1;
  const bool finite = !result.skipped || result.spike;
  parts_.scaler.update(!finite);
  const GradScaler::State scaler = parts_.scaler.state();
  state_.loss_scale = scaler.scale;
  state_.scale_growth_steps = scaler.good_steps;
  if (!result.skipped) {
    state_.bad_steps = 0;
    state_.tokens_seen += parts_.batches.effective_batch() * parts_.config.data.block_size;
    spike_guard_.add(step, result.mean_loss, result.gradient_norm);
    if (step > state_.rolled_back_from) state_.rollbacks = 0;
    return;
  }
  if (finite) {
    count_bad_step(step, "were spikes",
                   "a higher spike_threshold, or spike=warn where the loss has a new level");
    return;
  }
  if (searching_scale) {
    log_info(format("iter %ld: float16 overflow, loss scale is now %g", step, scaler.scale));
    return;
  }
  if (excused(step, result)) return;
  log_warning(format("iter %ld: loss %g, gradient norm %g: not finite, the update was skipped",
                     step, result.mean_loss, result.gradient_norm));
  count_bad_step(step, "had a non-finite loss or gradient", "dtype=float32");
}

// `what` the steps had or were, and what to try besides a lower learning rate.
void Trainer::count_bad_step(std::int64_t step, const char* what, const char* remedy) {
  ++state_.bad_steps;
  if (state_.bad_steps < parts_.config.optimizer.max_bad_steps) return;
  throw Error(
      format("iter %ld: %ld steps in a row %s (max_bad_steps); the weights are as before "
             "them. Try a lower learning_rate, or %s; --init_from=resume starts from the "
             "last checkpoint",
             step, state_.bad_steps, what, remedy));
}

}  // namespace gpt
