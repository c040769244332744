#include "gpt/checkpoint/store.h"

#include <algorithm>
#include <cerrno>
#include <unistd.h>
#include <utility>

#include "gpt/base/error.h"
#include "gpt/base/files.h"
#include "gpt/base/log.h"
#include "gpt/base/strings.h"

namespace gpt {

namespace {

std::string folder_name(std::int64_t step) {
  return format("step_%08ld", static_cast<long>(step));
}

void require_space(const fs::path& out_dir, std::span<const CheckpointPart> parts) {
  std::uint64_t needed = 1 << 20;  // headers and the manifest
  for (const CheckpointPart& part : parts)
    for (const TensorView& tensor : part.tensors) needed += tensor.bytes.size();
  const std::uint64_t free = free_bytes(out_dir);
  if (free < needed)
    throw IoError(out_dir.string(),
                  concat("write a checkpoint of ", human_bytes(needed), " into ", human_bytes(free),
                         " of free space"),
                  ENOSPC);
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

// `stem` and this process's id; a name that nothing has, for what it holds may be the only copy.
fs::path unused(const std::string& stem) {
  const std::string name = stem + std::to_string(getpid());
  fs::path path = name;
  std::error_code ignored;
  for (int n = 2; fs::exists(path, ignored); ++n) path = concat(name, "-", n);
  return path;
}

void remove_quietly(const fs::path& path) {
  try {
    remove_tree(path);
  } catch (const IoError& error) {
    log_warning(error.what());
  }
}

}  // namespace

CheckpointStore::CheckpointStore(fs::path out_dir, std::int64_t keep)
    : out_dir_(std::move(out_dir)), keep_(std::max<std::int64_t>(2, keep)) {}

void CheckpointStore::save(Manifest manifest, std::span<const CheckpointPart> parts) {
  make_directories(out_dir_);
  const fs::path target = out_dir_ / folder_name(manifest.step);
  const fs::path fresh = unused(target.string() + ".tmp-");
  require_space(out_dir_, parts);
  try {
    write_all(fresh, manifest, parts);
    replace(fresh, target);
  } catch (...) {
    remove_quietly(fresh);
    throw;
  }
  sync_directory(out_dir_);
  verified_.insert(target);
  prune(target);
}

// Where the target is taken (the same step again, or a damaged one), the old one stays readable
// under a name that readers know until the new one is in place.
void CheckpointStore::replace(const fs::path& fresh, const fs::path& target) {
  std::error_code ignored;
  if (!fs::exists(target, ignored)) return rename_path(fresh, target);
  const fs::path old = unused(target.string() + ".old-");
  rename_path(target, old);
  verified_.erase(target);
  try {
    rename_path(fresh, target);
  } catch (const IoError&) {
    rename_path(old, target);
    throw;
  }
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
  const fs::path trash = unused((out_dir_ / (".trash-" + path.filename().string() + "-")).string());
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
    std::error_code ignored;
    if (fs::exists(target, ignored)) discard(target);
    rename_path(old, target);
  } catch (const IoError& error) {
    log_warning(error.what());
  }
}

void CheckpointStore::clean_leftovers() {
  std::error_code error;
  std::vector<fs::path> found;
  for (fs::directory_iterator entry(out_dir_, error), end; !error && entry != end;
       entry.increment(error))
    found.push_back(entry->path());
  for (const fs::path& path : found) {
    const std::string name = path.filename().string();
    const bool step = name.starts_with("step_");
    if (name.starts_with(".trash-") || (step && name.find(".tmp-") != name.npos))
      remove_quietly(path);
    else if (const auto old = name.find(".old-"); step && old != name.npos)
      settle(path, out_dir_ / name.substr(0, old));
  }
}

}  // namespace gpt
