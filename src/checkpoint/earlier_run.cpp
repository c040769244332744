#include "gpt/checkpoint/earlier_run.h"

#include <ctime>
#include <optional>
#include <utility>

#include "gpt/base/error.h"
#include "gpt/base/files.h"
#include "gpt/base/log.h"
#include "gpt/base/strings.h"
#include "gpt/base/temporary_name.h"

namespace gpt {

namespace {

constexpr std::string_view kPlace = "replaced-";

fs::path dated_place(const fs::path& out_dir) {
  char when[32];
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  std::strftime(when, sizeof when, "%Y%m%d-%H%M%S", localtime_r(&now, &local));
  fs::path place = out_dir / concat(kPlace, when);
  for (int n = 2; present(place); ++n) place = out_dir / concat(kPlace, when, "-", n);
  return place;
}

void try_rename(const fs::path& from, const fs::path& to) {
  if (!present(from)) return;
  try {
    rename_path(from, to);
  } catch (const IoError& error) {
    log_warning(concat(error.what(), "; it belongs at ", to.string()));
  }
}

// What is in `moved` back to `out_dir`, unless something has taken its name.
void bring_back(const fs::path& moved, const fs::path& out_dir) {
  std::error_code error;
  std::vector<fs::path> children;
  for (fs::directory_iterator entry(moved, error), end; !error && entry != end;
       entry.increment(error))
    children.push_back(entry->path());
  for (const fs::path& child : children)
    if (!present(out_dir / child.filename())) try_rename(child, out_dir / child.filename());
  fs::remove(moved, error);  // only if it is empty
  if (!present(moved)) return;
  const fs::path place = dated_place(out_dir);
  try_rename(moved, place);
  log_warning("parts of an earlier run are in " + place.string());
}

}  // namespace

const std::vector<std::string> kRunFiles{"metrics.jsonl", "config.json", "train.log", "tb"};

EarlierRun::EarlierRun(fs::path out_dir, std::vector<fs::path> checkpoints)
    : out_dir_(std::move(out_dir)) {
  // The newest last: whoever looks in between finds the best that is left.
  while (!checkpoints.empty()) {
    names_.push_back(checkpoints.back().filename().string());
    checkpoints.pop_back();
  }
  names_.insert(names_.end(), kRunFiles.begin(), kRunFiles.end());
}

const fs::path& EarlierRun::staged(const std::string& name) {
  const auto found = staged_.find(name);
  if (found != staged_.end()) return found->second;
  return staged_.emplace(name, temporary_beside(out_dir_ / name)).first->second;
}

// A kill before the folder has its final name is undone by restore_unfinished(); after it, nothing
// of the earlier run is left in out_dir.
void EarlierRun::move_aside() {
  const fs::path final_place = dated_place(out_dir_);
  place_ = temporary_beside(final_place, TemporaryKind::kOld);
  try {
    make_directories(place_);
    for (const std::string& name : names_)
      if (present(out_dir_ / name)) rename_path(out_dir_ / name, place_ / name);
    sync_directory(place_);
    rename_path(place_, final_place);
    place_ = final_place;
    for (const auto& [name, path] : staged_) {
      if (!present(path)) continue;
      rename_path(path, out_dir_ / name);
      brought_.insert(name);
    }
  } catch (const IoError&) {
    put_back();
    throw;
  }
}

void EarlierRun::put_back() {
  for (const std::string& name : brought_) try_rename(out_dir_ / name, staged_.at(name));
  brought_.clear();
  bring_back(place_, out_dir_);
  place_.clear();
}

void EarlierRun::restore_unfinished(const fs::path& out_dir) {
  std::error_code error;
  std::vector<fs::path> found;
  for (fs::directory_iterator entry(out_dir, error), end; !error && entry != end;
       entry.increment(error)) {
    const auto name = parse_temporary(entry->path().filename().string());
    if (name && name->kind == TemporaryKind::kOld && name->stem.starts_with(kPlace) &&
        name->owner != TemporaryOwner::kAlive)
      found.push_back(entry->path());
  }
  for (const fs::path& moved : found) {
    log_warning(moved.string() + ": an earlier run was being moved aside; it is put back");
    bring_back(moved, out_dir);
  }
}

}  // namespace gpt
