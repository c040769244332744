#include "gpt/train/run_folder.h"

#include <unistd.h>
#include <utility>

#include "gpt/base/error.h"
#include "gpt/base/files.h"
#include "gpt/base/log.h"
#include "gpt/base/strings.h"
#include "gpt/train/run_lock.h"

namespace gpt {

RunFolder::RunFolder(const std::string& out_dir)
    : path_(out_dir), lock_path_(path_ / "run.lock"), lock_(lock_out_dir(out_dir)) {
  metrics_.add(jsonl_);
}

void RunFolder::begin(const RunFiles& files, const std::string& config_json, const IoConfig& io) {
  files_ = &files;
  config_json_ = config_json;
  try {
    files_->write_config(config_json_);
  } catch (const IoError& error) {
    // A full disk is no reason not to train: every checkpoint holds the config, too.
    log_warning(std::string(error.what()) + "; the run continues without it");
  }
  wants_tensorboard_ = io.tensorboard;
  if (wants_tensorboard_) metrics_.add(tensorboard_);
  open_files();
  if (!io.wandb_log) return;
  metrics_.add(wandb_);
  wandb_.open({io.wandb_project, io.wandb_run_name, config_json_});
}

void RunFolder::open_files() {
  open_log_file(files_->log());
  jsonl_.open(files_->metrics());
  restarts();
  whole_ = true;
}

void RunFolder::restarts() {
  if (wants_tensorboard_) tensorboard_.open(files_->tensorboard(), files_->metrics(), config_json_);
}

void RunFolder::claim() {
  const bool ours = lock_->is_at(lock_path_);
  if (ours && whole_) return;
  if (!ours) {
    if (present(lock_path_)) {
      std::string owner;
      const auto lock = FileLock::try_lock(lock_path_, &owner);
      // Some network file systems give one file several numbers; what it says is ours then.
      if (lock || !owner.starts_with(concat("process ", getpid(), ","))) refuse(owner);
      if (whole_) return;
    } else {
      whole_ = false;
      make_directories(path_);
      std::string owner;
      auto lock = FileLock::try_lock(lock_path_, &owner);
      if (!lock) refuse(owner);
      lock_.emplace(std::move(*lock));
    }
  }
  files_->write_config(config_json_);
  open_files();
  log_warning(concat(path_.string(),
                     ": was removed or renamed while the run trains; it was made again with lock, "
                     "config.json, metrics.jsonl and train.log, and the run continues in it"));
}

void RunFolder::refuse(const std::string& owner) const {
  throw Error(concat(path_.string(),
                     ": was removed or renamed while this run trained, and another ",
                     "run began in it since", owner.empty() ? "" : " (" + owner + ")",
                     "; this run stops and saves nothing there. Its checkpoints are where its "
                     "folder is now, if that was renamed"));
}

}  // namespace gpt
