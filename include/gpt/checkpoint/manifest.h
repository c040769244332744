// manifest.json: what a checkpoint is, and what a resumed run needs besides its tensors.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

namespace gpt {

struct FileRecord {
  std::string name;
  std::uint64_t size = 0;
  std::uint32_t crc32c = 0;
};

// What a step did, for the guard against spikes.
struct StepValues {
  std::int64_t step = 0;
  double loss = 0, gradient_norm = 0;
};

struct Manifest {
  std::int64_t step = 0;  // the iteration that comes next
  std::string reason;     // "evaluation", "interval", "retry", "signal SIGTERM", "error", "end"
  // These very weights were evaluated, and their val loss is below that of all saved before. A save
  // that is made up for after more training has other weights than the evaluation, so it is not.
  bool best = false;
  double val_loss = std::numeric_limits<double>::quiet_NaN();  // of the last evaluation
  // Of weights that were saved; nanoGPT's start value, and step 0's counts although it is not
  // saved.
  double best_val_loss = 1e9;
  std::int64_t last_eval_step = -1;  // so that a resumed run does not evaluate twice
  // The same of tasks and samples, where a run has them.
  std::int64_t last_task_step = -1, last_sample_step = -1;

  std::vector<std::int64_t> pending_offsets;  // windows drawn and not yet trained on
  // Of each source of train: windows that were trained on, and its tokens. Empty: unknown, as in
  // checkpoints of other programs.
  std::vector<std::int64_t> windows_taken, source_tokens;
  std::string generator_state;  // raw bytes of the CPU generator
  double loss_scale = 1;
  std::int64_t scale_growth_steps = 0;
  std::int64_t bad_steps = 0;            // non-finite ones in a row
  std::int64_t tokens_seen = 0;          // trained on so far
  std::vector<StepValues> recent_steps;  // that the next ones are judged by; with spike=off none
  // Rollbacks since training has last got beyond the step that they came from, and that step.
  std::int64_t rollbacks = 0, rolled_back_from = -1;

  std::string config_json;      // the resolved config
  std::string vocabulary_json;  // the dataset's meta.json, or ""
  std::string choices_json;     // what the device was used for (device_choices.h); "" on the CPU
  std::string program_version;
  std::vector<FileRecord> files;
};

// JSON whose last member is the CRC-32C of all that comes before it, so that any flipped, missing
// or added byte shows. Doubles come back exactly, NaN and infinities too.
std::string to_json(const Manifest& manifest);

// InputError naming `origin` if the text is not what to_json wrote.
Manifest parse_manifest(std::string_view text, const std::string& origin);

}  // namespace gpt
