// When a Trainer saves, what it saves, and what becomes of a save that fails.
#include <algorithm>
#include <utility>

#include "gpt/base/strings.h"
#include "gpt/device/memory.h"
#include "gpt/kernels/device_choices.h"
#include "gpt/train/trainer.h"
#include "gpt/train/weight_alignment.h"

namespace gpt {

void Trainer::save_between_evaluations() {
  settle_save(/*wait=*/false);
  const std::int64_t interval = parts_.config.io.checkpoint_interval;
  if (interval > 0 && state_.step > 0 && state_.step % interval == 0 &&
      state_.last_eval_step != state_.step)
    save("interval");
  // When it is due is a matter of the clock, which the processes must agree on.
  else if (!under_way_ && retry_.failures() > 0 && parts_.group.any(retry_.due(state_.step)))
    save("retry");
}

// What failed is as if it had not begun, and what it was about to train on is saved with the rest:
// by all processes where all of them give up, for want of memory; else by this one alone, if it
// can.
void Trainer::give_up(const Error& error) {
  const bool memory = dynamic_cast<const MemoryError*>(&error);
  alone_ = !memory;
  const bool complete = !alone_ || parts_.group.size() == 1 ||
                        (parts_.group.is_first() && parts_.config.memory.zero == 0);
  const bool worth_it = complete && state_.step > 0 && !parts_.config.io.eval_only;
  if (!worth_it || !save(memory ? "out of memory" : "error") || memory) throw;
  throw Error(concat(error.what(), "; the run is saved as it was before step ", state_.step,
                     ": put that right, and --init_from=resume continues from there"),
              error.exit_code());
}

bool Trainer::save(const std::string& reason) {
  settle_save(/*wait=*/true);
  report_step();
  const TimeLimit::Timed timed(time_limit_);
  Manifest manifest = state_;
  manifest.reason = reason;
  // Of weights that were trained on since, the last evaluation says nothing.
  manifest.best = state_.best && state_.last_eval_step == state_.step;
  if (manifest.best) manifest.best_val_loss = std::min(state_.best_val_loss, state_.val_loss);
  manifest.recent_steps = spike_guard_.values();
  const DataPosition position = parts_.batches.position();
  manifest.pending_offsets = position.pending;
  manifest.windows_taken = position.taken;
  manifest.source_tokens = source_tokens(parts_.dataset);
  manifest.config_json = parts_.config_json;
  manifest.vocabulary_json = parts_.dataset.vocabulary_json;
  if (const auto choices = device_choices()) manifest.choices_json = to_json(*choices);
  const bool again = reason == "evaluation" || reason == "interval" || reason == "retry";
  const bool asynchronous = again && writer_.asynchronous();
  writer_.before = before_save;
  retry_.begin();
  if (align_weights(state_.step, parts_.model, parts_.optimizer, group()))
    parts_.engine.weights_changed();
  for (const bool last_try : {false, true}) {
    std::string why;
    const bool first = group().is_first();
    const Saved worst = worst_of(asynchronous ? writer_.begin(manifest, first, why)
                                              : writer_.write(manifest, first, why));
    if (worst == Saved::kYes && asynchronous) under_way_ = manifest;
    if (worst == Saved::kYes && !asynchronous) saved(manifest);
    if (worst == Saved::kYes) return true;
    if (worst == Saved::kNo || last_try) {
      save_failed(state_.step, why, again);
      return false;
    }
    // Without memory for the host's copies, what is cached is released once.
    parts_.engine.release_memory();
    release_cached_memory(parts_.compute.device);
  }
  return false;
}

Saved Trainer::worst_of(Saved here) {
  return static_cast<Saved>(group().max(static_cast<std::int64_t>(here)));
}

void Trainer::saved(const Manifest& manifest) {
  state_.best_val_loss = manifest.best_val_loss;
  parts_.report.saved(manifest.step, manifest.reason, retry_.failures());
  retry_.succeeded();
}

void Trainer::save_failed(std::int64_t step, const std::string& why, bool again) {
  retry_.failed(state_.step);
  if (group().is_first()) parts_.report.save_failed(step, why, again);
}

void Trainer::settle_save(bool wait) {
  if (!under_way_) return;
  std::string why;
  const Saved worst = worst_of(writer_.result(wait, why));
  if (worst == Saved::kUnderWay) return;
  const Manifest manifest = *std::exchange(under_way_, std::nullopt);
  if (worst == Saved::kYes)
    saved(manifest);
  else
    save_failed(manifest.step, why, /*again=*/true);
}

ProcessGroup& Trainer::group() {
  return alone_ ? single_process() : parts_.group;
}

}  // namespace gpt
