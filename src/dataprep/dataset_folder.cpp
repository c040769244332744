#include "gpt/dataprep/dataset_folder.h"

#include <array>
#include <string_view>

#include "gpt/base/error.h"
#include "gpt/base/files.h"
#include "gpt/base/log.h"
#include "gpt/base/strings.h"
#include "gpt/base/temporary_name.h"

namespace gpt {

namespace {

// In the order in which they come; train.bin is the one that training opens first.
constexpr std::array<const char*, 5> kNames = {"meta.json", "val.mask", "train.mask", "val.bin",
                                               "train.bin"};
constexpr const char* kTemporary = ".tmp";
constexpr const char* kLock = ".prepare.lock";
constexpr const char* kState = ".prepare.state";

FileLock lock_folder(const fs::path& folder) {
  try {
    make_directories(folder);
  } catch (const IoError& error) {
    throw Error(concat(error.what(), "; choose another --out"), error.exit_code());
  }
  std::string owner;
  auto lock = FileLock::try_lock(folder / kLock, &owner);
  if (!lock)
    throw InputError(concat(folder.string(), ": another gpttrain prepare writes here (", owner,
                            "); wait for it or choose another --out"));
  return std::move(*lock);
}

// publish() was at work and did not end: train.bin comes last.
bool publishing_was_cut_short(const fs::path& folder) {
  return file_exists(DatasetFolder::state(folder)) &&
         file_exists(folder / (std::string(kNames.back()) + kTemporary)) &&
         !file_exists(folder / kNames.back());
}

// Where no prepare has ever worked, the names that it writes under first are somebody else's.
void check_unfinished(const fs::path& folder) {
  if (file_exists(folder / kLock)) return;
  for (const char* name : kNames) {
    const fs::path path = folder / (std::string(name) + kTemporary);
    if (present(path))
      throw InputError(concat(path.string(),
                              ": is in the way of the file that prepare would write first; move it "
                              "elsewhere, or choose another --out"));
  }
}

const fs::path& checked(const fs::path& folder, bool replace) {
  DatasetFolder::check(folder, replace);
  return folder;
}

}  // namespace

void DatasetFolder::check(const fs::path& folder, bool replace) {
  std::error_code ignored;
  if (file_exists(folder) && !fs::is_directory(folder, ignored))
    throw InputError(concat(folder.string(), ": expected a folder to write to, found a file"));
  for (const char* name : kNames)
    if (fs::is_directory(folder / name, ignored))
      throw InputError(concat((folder / name).string(),
                              ": is a folder, where the dataset would have a file; choose another "
                              "--out"));
  check_unfinished(folder);
  if (publishing_was_cut_short(folder)) return;
  for (const char* name : kNames) {
    if (!replace && file_exists(folder / name))
      throw InputError(concat(folder.string(), ": already holds a dataset (", name,
                              "); choose another --out, or replace it with --force"));
  }
}

DatasetFolder::DatasetFolder(const fs::path& folder, bool replace)
    : folder_(checked(folder, replace)), lock_(lock_folder(folder_)) {
  check(folder_, replace);  // it may have become a dataset before the lock was ours
  remove_abandoned(folder_);
  if (!publishing_was_cut_short(folder_)) return;
  for (const char* name : kNames)
    if (!file_exists(temporary(name)) && file_exists(folder_ / name))
      rename_path(folder_ / name, temporary(name));
}

DatasetFolder::~DatasetFolder() {
  if (file_exists(state())) return;
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

fs::path DatasetFolder::state(const fs::path& folder) {
  return folder / kState;
}

void DatasetFolder::forget() {
  remove_tree(state());
  for (const char* name : kNames) remove_tree(temporary(name));
}

void DatasetFolder::publish(bool val, bool masks) {
  remove_tree(folder_ / kNames.back());
  sync_directory(folder_);
  for (const char* name : kNames) {
    const std::string_view file = name;
    if ((val || !file.starts_with("val.")) && (masks || !file.ends_with(".mask"))) {
      rename_path(temporary(name), folder_ / name);
    } else {
      remove_tree(folder_ / name);
      remove_tree(temporary(name));
    }
  }
  sync_directory(folder_);
  remove_tree(state());
}

bool DatasetFolder::is_ours(const fs::path& folder, const fs::path& path) {
  const std::string file = path.filename().string();
  const auto unfinished = parse_temporary(file);  // of replace_file
  const std::string stem = unfinished ? unfinished->stem : file;
  bool named = stem == kLock || stem == kState;
  for (const std::string name : kNames) named = named || stem == name || stem == name + kTemporary;
  std::error_code missing;
  return named && fs::equivalent(path.parent_path(), folder, missing);
}

}  // namespace gpt
