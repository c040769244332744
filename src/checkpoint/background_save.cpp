#include "gpt/checkpoint/background_save.h"

#include <system_error>
#include <utility>

namespace gpt {

BackgroundSave::~BackgroundSave() {
  if (thread_.joinable()) thread_.join();
}

void BackgroundSave::write() {
  try {
    store_.save(manifest_, parts_);
  } catch (...) {
    error_ = std::current_exception();
  }
  finished_ = true;
}

void BackgroundSave::start(const Manifest& manifest, const std::vector<CheckpointPart>& parts) {
  if (started_) wait();
  manifest_ = manifest;
  parts_ = parts;
  finished_ = false;
  started_ = true;
  try {
    thread_ = std::thread([this] { write(); });
  } catch (const std::system_error&) {
    write();
  }
}

void BackgroundSave::wait() {
  if (thread_.joinable()) thread_.join();
  started_ = false;
  if (const std::exception_ptr error = std::exchange(error_, nullptr))
    std::rethrow_exception(error);
}

}  // namespace gpt
