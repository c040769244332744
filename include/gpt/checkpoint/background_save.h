// A checkpoint that a thread writes while the run continues.
#pragma once

#include <atomic>
#include <exception>
#include <thread>
#include <vector>

#include "gpt/checkpoint/manifest.h"
#include "gpt/checkpoint/store.h"

namespace gpt {

// One at a time. From start() to wait() the store belongs to the thread.
class BackgroundSave {
 public:
  explicit BackgroundSave(CheckpointStore& store) : store_(store) {}
  ~BackgroundSave();  // waits
  BackgroundSave(const BackgroundSave&) = delete;
  BackgroundSave& operator=(const BackgroundSave&) = delete;

  // CheckpointStore::save(). What `parts` look at must stay as it is until wait(). Where no thread
  // can be started, it is written before this returns.
  void start(const Manifest& manifest, const std::vector<CheckpointPart>& parts);
  bool started() const { return started_; }
  bool finished() const { return finished_; }  // wait() returns at once
  // Until it is on disk; throws what save() has thrown.
  void wait();

 private:
  void write();

  CheckpointStore& store_;
  Manifest manifest_;
  std::vector<CheckpointPart> parts_;
  std::thread thread_;
  bool started_ = false;
  std::atomic<bool> finished_ = true;
  std::exception_ptr error_;
};

}  // namespace gpt
