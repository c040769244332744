#include "gpt/base/replace.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <pwd.h>
#include <system_error>
#include <unistd.h>
#include <utility>
#include <vector>

#include "gpt/base/error.h"
#include "gpt/base/files.h"
#include "gpt/base/log.h"
#include "gpt/base/temporary_name.h"

#include "file_calls.h"

namespace gpt {

namespace {

fs::path folder_of(const fs::path& path) {
  return path.has_parent_path() ? path.parent_path() : fs::path(".");
}

fs::file_type kind_of(const fs::path& path) {
  std::error_code absent;
  return fs::symlink_status(path, absent).type();
}

// Between the two renames of swap_in() the target has no name.
void finish_swaps(const fs::path& target) {
  std::error_code error;
  std::vector<fs::path> found;
  for (fs::directory_iterator entry(folder_of(target), error), end; !error && entry != end;
       entry.increment(error)) {
    const auto name = parse_temporary(entry->path().filename().string());
    if (name && name->kind == TemporaryKind::kOld && name->stem == target.filename() &&
        is_abandoned(entry->path(), *name))
      found.push_back(entry->path());
  }
  for (const fs::path& old : found) {
    if (kind_of(target) != fs::file_type::not_found)
      remove_or_warn(old);
    else
      rename_path(old, target);
  }
}

// Keeps what another program has put there meanwhile, where the file system can.
void rename_new(const fs::path& from, const fs::path& to) {
  file_call("rename", from, [&] {
    const int result = renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE);
    const bool unknown = errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP;
    return result != 0 && unknown ? rename(from.c_str(), to.c_str()) : result;
  });
}

// False also where the file system does not know the call: whatever is wrong, plain renames say it.
bool exchanged(const fs::path& a, const fs::path& b) {
  return injected_fault("exchange", a, nullptr) == 0 &&
         renameat2(AT_FDCWD, a.c_str(), AT_FDCWD, b.c_str(), RENAME_EXCHANGE) == 0;
}

}  // namespace

void replace_anything(const fs::path&) {}

fs::path swap_in(const fs::path& fresh, const fs::path& target) {
  if (exchanged(fresh, target)) return fresh;
  const fs::path old = temporary_beside(target, TemporaryKind::kOld);
  rename_path(target, old);
  try {
    rename_path(fresh, target);
  } catch (const IoError&) {
    rename_path(old, target);
    throw;
  }
  return old;
}

Replacement::Replacement(fs::path target, MayReplace may_replace)
    : target_(std::move(target)), may_replace_(std::move(may_replace)) {
  finish_swaps(target_);
  remove_abandoned(folder_of(target_), target_.filename().string());
  fresh_ = temporary_beside(target_);
}

Replacement::~Replacement() {
  if (!fresh_.empty()) remove_or_warn(fresh_);
}

void Replacement::commit() {
  if (kind_of(target_) == fs::file_type::not_found) {
    rename_new(fresh_, target_);
  } else {
    if (!may_replace_) throw InputError(target_.string() + ": already exists");
    commit_over();
  }
  fresh_.clear();
  sync_directory(folder_of(target_));
}

void Replacement::commit_over() {
  const bool folder = kind_of(fresh_) == fs::file_type::directory;
  if (folder != (kind_of(target_) == fs::file_type::directory))
    throw IoError(target_.string(), "replace", folder ? ENOTDIR : EISDIR);
  may_replace_(target_);
  if (!folder) return rename_path(fresh_, target_);
  const fs::path old = swap_in(fresh_, target_);
  try {
    may_replace_(old);  // nobody finds it by its name any more, so that now the answer stays true
  } catch (...) {
    fresh_ = swap_in(old, target_);
    throw;
  }
  fresh_.clear();  // it may be where the old one is, which stays until the new one is on disk
  sync_directory(folder_of(target_));
  remove_or_warn(old);
}

fs::path real_place(const fs::path& path) {
  std::error_code error;
  const fs::path place = fs::weakly_canonical(fs::absolute(path), error);
  if (error) throw IoError(path.string(), "find", error.value());
  return place.has_filename() ? place : place.parent_path();
}

bool is_within(const fs::path& path, const fs::path& folder) {
  return std::mismatch(folder.begin(), folder.end(), path.begin(), path.end()).first ==
         folder.end();
}

std::string protected_place(const fs::path& place) {
  if (place == place.root_path()) return "the root of the file system";
  std::error_code unknown;
  const auto guard = [&](const fs::path& folder, const std::string& what) -> std::string {
    if (folder.empty()) return "";
    const fs::path real = fs::weakly_canonical(folder, unknown);
    if (unknown || !is_within(real, place)) return "";
    return real == place ? what : "above " + what;
  };
  std::string found = guard(fs::current_path(unknown), "the current folder");
  const char* home = std::getenv("HOME");
  if (found.empty() && home) found = guard(home, "the home folder");
  const passwd* user = getpwuid(getuid());
  if (found.empty() && user) found = guard(user->pw_dir, "the home folder");
  return found;
}

}  // namespace gpt
