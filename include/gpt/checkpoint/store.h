// The checkpoints of a run: out_dir/step_00002000/ and its siblings. A checkpoint appears by one
// rename, complete and on disk, or not at all; what it replaces goes only after that.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "gpt/checkpoint/earlier_run.h"
#include "gpt/checkpoint/manifest.h"
#include "gpt/formats/safetensors.h"

namespace gpt {

// One safetensors file of a checkpoint.
struct CheckpointPart {
  std::string file_name;
  std::vector<TensorView> tensors;
};

struct CheckpointInfo {
  fs::path path;
  std::int64_t step = 0;
  bool good = false;
  std::string problem;  // "" if good
  Manifest manifest;    // if it could be read
};

// "step_00002000"
std::string checkpoint_name(std::int64_t step);
// The step of such a name, -1 for other names.
std::int64_t step_of_name(const std::string& name);

class CheckpointStore {
 public:
  // Keeps the newest `keep` (>= 2) good checkpoints and the best one.
  CheckpointStore(fs::path out_dir, std::int64_t keep);

  // `manifest.files` is filled in here. On IoError (a full disk among them) every older checkpoint
  // is as it was and the attempt's files are gone, unless only the last fsync of out_dir failed:
  // then the new one is in place. Pruning can only warn.
  void save(Manifest manifest, std::span<const CheckpointPart> parts);

  // The first save to succeed moves this run aside, between writing the new checkpoint and giving
  // it its name. Until then its checkpoints are listed as if nothing were to come.
  void replaces(EarlierRun earlier);
  bool replaces_at_next_save() const { return earlier_.has_value(); }
  const EarlierRun* replaced() const { return earlier_ ? &*earlier_ : nullptr; }

  // Newest first; no folder, no checkpoints. Sizes are checked always, contents only with
  // `every_byte`. IoError if out_dir cannot be listed.
  std::vector<CheckpointInfo> list(bool every_byte = false) const;

  // Reads every byte of a checkpoint: "" if it is good, else file, expectation and finding.
  static std::string verify(const fs::path& directory, Manifest* manifest = nullptr);

  // The newest one that verifies; a warning with the reason for each that is passed over.
  // best_good: among those that were the best when saved.
  std::optional<CheckpointInfo> newest_good() const;
  std::optional<CheckpointInfo> best_good() const;

  // Finishes or removes what a killed process left. Only for the holder of the run's lock.
  void clean_leftovers();

 private:
  fs::path publish(const fs::path& fresh, const fs::path& target);
  void prune(const fs::path& saved);
  void discard(const fs::path& path);
  void settle(const fs::path& old, const fs::path& target);
  void finish_replacing();
  bool verified(const CheckpointInfo& info);

  fs::path out_dir_;
  std::int64_t keep_;
  std::optional<EarlierRun> earlier_;  // not moved aside yet
  std::set<fs::path> verified_;        // by this process, so that pruning reads each only once
};

}  // namespace gpt
