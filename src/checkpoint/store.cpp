#include "gpt/checkpoint/store.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "gpt/base/error.h"
#include "gpt/base/files.h"
#include "gpt/base/log.h"
#include "gpt/base/replace.h"
#include "gpt/base/strings.h"
#include "gpt/base/temporary_name.h"

namespace gpt {

namespace {

// Only says so: what file systems report as free is less than fits where they compress, more where
// there is a quota, and nothing at all on some. The write decides.
void warn_of_little_space(const fs::path& out_dir, std::span<const CheckpointPart> parts) {
  std::uint64_t needed = 1 << 20;  // headers and the manifest
  for (const CheckpointPart& part : parts)
    for (const TensorView& tensor : part.tensors) needed += tensor.bytes.size();
  try {
    const auto free = free_bytes(out_dir);
    if (free && *free < needed)
      log_warning(concat(out_dir.string(), ": ", human_bytes(*free),
                         " of free space are reported, a checkpoint takes ", human_bytes(needed)));
  } catch (const IoError& error) {
    log_debug(error.what());
  }
}

void write_all(const fs::path& folder, Manifest& manifest, std::span<const CheckpointPart> parts) {
  make_directories(folder);
  manifest.files.clear();
  for (const CheckpointPart& part : parts) {
    const SavedFile saved = write_safetensors(folder / part.file_name, part.tensors);
    manifest.files.push_back({part.file_name, saved.size, saved.crc32c});
  }
  OutputFile file(folder / "manifest.json");
  file.write(to_json(manifest));
  file.sync();
  file.close();
  sync_directory(folder);
}

// The entries of `out_dir` with a temporary name, of processes that no longer work on them.
struct Leftover {
  fs::path path;
  TemporaryName name;
};
std::vector<Leftover> leftovers(const fs::path& out_dir) {
  std::error_code error;
  std::vector<Leftover> found;
  for (fs::directory_iterator entry(out_dir, error), end; !error && entry != end;
       entry.increment(error)) {
    const auto name = parse_temporary(entry->path().filename().string());
    if (name && name->owner != TemporaryOwner::kAlive) found.push_back({entry->path(), *name});
  }
  return found;
}

}  // namespace

CheckpointStore::CheckpointStore(fs::path out_dir, std::int64_t keep)
    : out_dir_(std::move(out_dir)), keep_(std::max<std::int64_t>(2, keep)) {}

void CheckpointStore::save(Manifest manifest, std::span<const CheckpointPart> parts) {
  make_directories(out_dir_);
  const fs::path target = out_dir_ / checkpoint_name(manifest.step);
  const fs::path fresh = temporary_beside(target);
  fs::path old;
  warn_of_little_space(out_dir_, parts);
  try {
    write_all(fresh, manifest, parts);
    old = publish(fresh, target);
  } catch (...) {
    remove_or_warn(fresh);
    if (earlier_)
      log_warning(
          out_dir_.string() +
          ": the earlier run is still there, as it was; init_from=resume continues with it");
    throw;
  }
  sync_directory(out_dir_);
  if (!old.empty()) remove_or_warn(old);
  verified_.insert(target);
  prune(target);
}

// Returns where the checkpoint is that had the name; "" if none had.
fs::path CheckpointStore::publish(const fs::path& fresh, const fs::path& target) {
  if (earlier_) {
    sync_directory(out_dir_);  // after a power cut the new one is found under its temporary name
    earlier_->move_aside();
  }
  try {
    fs::path old;
    verified_.erase(target);
    if (present(target))
      old = swap_in(fresh, target);
    else
      rename_path(fresh, target);
    if (earlier_) log_info("the earlier run was moved to " + earlier_->place().string());
    earlier_.reset();
    return old;
  } catch (...) {
    if (earlier_) earlier_->put_back();
    throw;
  }
}

void CheckpointStore::replaces(EarlierRun earlier) {
  earlier_ = std::move(earlier);
}

bool CheckpointStore::verified(const CheckpointInfo& info) {
  if (!info.good) return false;
  if (verified_.contains(info.path)) return true;
  if (!verify(info.path).empty()) return false;
  verified_.insert(info.path);
  return true;
}

// Only what has been read back counts as kept: sizes alone would let damaged checkpoints push out
// the last good one.
void CheckpointStore::prune(const fs::path& saved) {
  try {
    std::int64_t kept = 0;
    bool best_kept = false;
    std::int64_t last_kept = -1;
    for (const CheckpointInfo& info : list()) {
      const bool superseded = info.step == last_kept;  // an .old- of the same step
      const bool full = kept >= keep_ && info.path != saved;
      const bool may_stay = !full || (info.manifest.best && !best_kept);
      if (superseded || !may_stay) {
        discard(info.path);
      } else if (verified(info)) {
        last_kept = info.step;
        ++kept;
        best_kept = best_kept || info.manifest.best;
      } else if (full) {
        discard(info.path);
      }
    }
  } catch (const IoError& error) {
    log_warning(std::string(error.what()) + "; old checkpoints were left where they are");
  }
}

// Renamed first, so that no reader ever sees a checkpoint half removed.
void CheckpointStore::discard(const fs::path& path) {
  verified_.erase(path);
  const fs::path trash = temporary_beside(path, TemporaryKind::kTrash);
  rename_path(path, trash);
  remove_tree(trash);
}

std::optional<CheckpointInfo> CheckpointStore::newest_good() const {
  for (CheckpointInfo& info : list()) {
    info.problem = verify(info.path, &info.manifest);
    info.good = info.problem.empty();
    if (info.good) return info;
    log_warning(info.path.string() + " is passed over: " + info.problem);
  }
  return std::nullopt;
}

std::optional<CheckpointInfo> CheckpointStore::best_good() const {
  for (CheckpointInfo& info : list()) {
    const bool readable = !info.manifest.files.empty();
    if (readable && !info.manifest.best) continue;
    info.problem = verify(info.path, &info.manifest);
    info.good = info.problem.empty();
    if (info.good) return info;
    log_warning(info.path.string() + " is passed over: " + info.problem);
  }
  return std::nullopt;
}

// A replacement was cut short: whichever of the two is good gets the name.
void CheckpointStore::settle(const fs::path& old, const fs::path& target) {
  try {
    if (verify(target).empty() || !verify(old).empty()) return discard(old);
    if (file_exists(target)) discard(target);
    rename_path(old, target);
  } catch (const IoError& error) {
    log_warning(error.what());
  }
}

// Killed after an earlier run had been moved aside and before its successor's first checkpoint got
// its name: that is complete on disk, and nothing else is left.
void CheckpointStore::finish_replacing() {
  if (!list().empty()) return;
  const std::vector<Leftover> found = leftovers(out_dir_);
  const auto bring = [&](const Leftover& leftover) {
    if (!present(out_dir_ / leftover.name.stem))
      rename_path(leftover.path, out_dir_ / leftover.name.stem);
  };
  bool brought = false;
  for (const Leftover& leftover : found) {
    if (leftover.name.kind != TemporaryKind::kFresh || step_of_name(leftover.name.stem) < 0 ||
        !verify(leftover.path).empty())
      continue;
    bring(leftover);
    brought = true;
  }
  if (!brought) return;
  for (const Leftover& leftover : found)
    if (std::find(kRunFiles.begin(), kRunFiles.end(), leftover.name.stem) != kRunFiles.end())
      bring(leftover);
  sync_directory(out_dir_);
}

void CheckpointStore::clean_leftovers() {
  EarlierRun::restore_unfinished(out_dir_);
  try {
    finish_replacing();
  } catch (const IoError& error) {
    log_warning(error.what());
  }
  for (const auto& [path, name] : leftovers(out_dir_)) {
    if (step_of_name(name.stem) < 0) continue;
    if (name.kind == TemporaryKind::kOld)
      settle(path, out_dir_ / name.stem);
    else if (name.owner == TemporaryOwner::kThisProcess || is_abandoned(path, name))
      remove_or_warn(path);
  }
  remove_abandoned(out_dir_);
}

}  // namespace gpt
