#include "gpt/corpus/dataset_folder.h"

#include <array>

#include "gpt/base/error.h"
#include "gpt/base/log.h"
#include "gpt/base/strings.h"

namespace gpt {

namespace {

// In the order in which they come; train.bin is the one that training opens first.
constexpr std::array<const char*, 3> kNames = {"meta.json", "val.bin", "train.bin"};
constexpr const char* kTemporary = ".tmp";
constexpr const char* kLock = ".prepare.lock";

FileLock lock_folder(const fs::path& folder) {
  make_directories(folder);
  std::string owner;
  auto lock = FileLock::try_lock(folder / kLock, &owner);
  if (!lock)
    throw InputError(concat(folder.string(), ": another gpttrain prepare writes here (", owner,
                            "); wait for it or choose another --out"));
  return std::move(*lock);
}

const fs::path& checked(const fs::path& folder, bool replace) {
  DatasetFolder::check(folder, replace);
  return folder;
}

}  // namespace

void DatasetFolder::check(const fs::path& folder, bool replace) {
  std::error_code ignored;
  if (fs::exists(folder, ignored) && !fs::is_directory(folder, ignored))
    throw InputError(concat(folder.string(), ": expected a folder to write to, found a file"));
  for (const char* name : kNames) {
    if (!replace && fs::exists(folder / name, ignored))
      throw InputError(concat(folder.string(), ": already holds a dataset (", name,
                              "); choose another --out, or replace it with --force"));
  }
}

DatasetFolder::DatasetFolder(const fs::path& folder, bool replace)
    : folder_(checked(folder, replace)), lock_(lock_folder(folder_)) {
  check(folder_, replace);  // it may have become a dataset before the lock was ours
}

DatasetFolder::~DatasetFolder() {
  for (const char* name : kNames) {
    try {
      remove_tree(temporary(name));
    } catch (const IoError& error) {
      log_warning(concat(error.what(), "; the file can be removed by hand"));
    }
  }
}

fs::path DatasetFolder::temporary(const std::string& name) const {
  return folder_ / (name + kTemporary);
}

void DatasetFolder::publish() {
  remove_tree(folder_ / kNames.back());
  sync_directory(folder_);
  for (const char* name : kNames) rename_path(temporary(name), folder_ / name);
  sync_directory(folder_);
}

bool DatasetFolder::is_ours(const fs::path& folder, const fs::path& path) {
  const std::string file = path.filename().string();
  bool named = file == kLock;
  for (const std::string name : kNames) named = named || file == name || file == name + kTemporary;
  std::error_code missing;
  return named && fs::equivalent(path.parent_path(), folder, missing);
}

}  // namespace gpt
