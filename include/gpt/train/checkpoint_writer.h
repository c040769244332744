// How the checkpoints of a run get on disk: at once, or by a thread from a copy in memory.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include <ATen/core/Generator.h>
#include <c10/core/Device.h>

#include "gpt/checkpoint/background_save.h"
#include "gpt/checkpoint/run_state.h"
#include "gpt/parallel/process_group.h"

namespace gpt {

// What became of a checkpoint, in this process; of several processes the largest counts.
enum class Saved : std::int64_t { kYes, kNo, kOutOfMemory, kUnderWay };

class CheckpointWriter {
 public:
  struct Parts {
    CheckpointStore& store;
    const Gpt& model;
    const Optimizer& optimizer;
    at::Generator generator;
    c10::Device device;
  };

  // With `asynchronous`, the first process takes the memory for its copy here. Where any process
  // was not asked to, or has not the memory, all write synchronously.
  CheckpointWriter(const Parts& parts, bool asynchronous, ProcessGroup& group);
  ~CheckpointWriter() { finish(); }
  CheckpointWriter(const CheckpointWriter&) = delete;
  CheckpointWriter& operator=(const CheckpointWriter&) = delete;

  bool asynchronous() const { return copy_ != nullptr; }

  // What the training thread does before anything is written.
  std::function<void()> before;

  // Until it is on disk. All processes call this, `first` is the one that writes. `why` is set
  // where it fails for want of memory or by an IoError; anything else is thrown.
  Saved write(const Manifest& manifest, bool first, std::string& why);
  // Until it is copied, and may be changed; then result() tells. With asynchronous() alone, and
  // with nothing under way.
  Saved begin(const Manifest& manifest, bool first, std::string& why);
  // Of what was begun; kYes in a process that writes nothing.
  Saved result(bool wait, std::string& why);
  // Waits for what is under way. That it failed is an error in the log.
  void finish();

 private:
  Saved attempt(const std::function<void()>& work, std::string& why) const;
  Manifest completed(const Manifest& manifest) const;

  Parts parts_;
  std::unique_ptr<RunCopy> copy_;
  BackgroundSave thread_;
};

}  // namespace gpt
