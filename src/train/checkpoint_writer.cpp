#include "gpt/train/checkpoint_writer.h"

#include <exception>

#include "gpt/base/error.h"
#include "gpt/base/log.h"
#include "gpt/base/strings.h"
#include "gpt/device/memory.h"

namespace gpt {

CheckpointWriter::CheckpointWriter(const Parts& parts, bool asynchronous, ProcessGroup& group)
    : parts_(parts), thread_(parts.store) {
  std::string why;
  if (asynchronous)
    attempt(
        [&] {
          copy_ = std::make_unique<RunCopy>(parts.model, parts.optimizer, parts.device,
                                            /*holds=*/group.is_first());
        },
        why);
  if (!why.empty())
    log_warning(
        "async_checkpoints: there is no memory for the copy of weights and optimizer; checkpoints "
        "are written synchronously");
  if (group.any(!copy_)) copy_.reset();
}

// The older checkpoints are untouched and memory holds everything: the run is worth more than a
// checkpoint that fails.
Saved CheckpointWriter::attempt(const std::function<void()>& work, std::string& why) const {
  try {
    work();
    return Saved::kYes;
  } catch (const std::exception& error) {
    const bool memory = is_out_of_memory(error);
    if (!memory && !dynamic_cast<const IoError*>(&error)) throw;
    why = memory ? "out of memory" : error.what();
    return memory ? Saved::kOutOfMemory : Saved::kNo;
  }
}

Manifest CheckpointWriter::completed(const Manifest& manifest) const {
  Manifest all = manifest;
  const at::Tensor generator = parts_.generator.get_state();
  all.generator_state.assign(static_cast<const char*>(generator.const_data_ptr()),
                             generator.nbytes());
  return all;
}

Saved CheckpointWriter::write(const Manifest& manifest, bool first, std::string& why) {
  return attempt(
      [&] {
        if (before && first) before();
        const Manifest all = completed(manifest);
        const RunTensors tensors(parts_.model, parts_.optimizer);
        if (first) parts_.store.save(all, tensors.parts());
      },
      why);
}

Saved CheckpointWriter::begin(const Manifest& manifest, bool first, std::string& why) {
  return attempt(
      [&] {
        if (before && first) before();
        const Manifest all = completed(manifest);
        copy_->take(parts_.model, parts_.optimizer);
        if (first) thread_.start(all, copy_->parts());
      },
      why);
}

Saved CheckpointWriter::result(bool wait, std::string& why) {
  if (!thread_.started()) return Saved::kYes;
  if (!wait && !thread_.finished()) return Saved::kUnderWay;
  return attempt([&] { thread_.wait(); }, why);
}

void CheckpointWriter::finish() {
  if (!thread_.started()) return;
  try {
    thread_.wait();
  } catch (const std::exception& error) {
    log_error(concat(error.what(),
                     "; the checkpoint that was under way was not written, older "
                     "ones are untouched"));
  }
}

}  // namespace gpt
