// The folder of a dataset while `prepare` fills it.
#pragma once

#include <filesystem>
#include <string>

#include "gpt/base/files.h"

namespace gpt {

// train.bin, val.bin, their masks and meta.json are written next to their places and moved there by
// publish(). Whenever the process ends, the folder holds the old dataset, the new one, or none that
// could be trained on: train.bin goes first and comes last. A hidden lock file keeps a second
// `prepare` out; it stays in the folder. What an interrupted run wrote stays too, if a state file
// next to it says how to continue.
class DatasetFolder {
 public:
  // Makes the folder. InputError if it holds a dataset and not `replace`, if another process is
  // preparing it, or if the path is a file.
  DatasetFolder(const fs::path& folder, bool replace);
  // Removes what was neither published nor has a state() to resume from.
  ~DatasetFolder();
  DatasetFolder(const DatasetFolder&) = delete;
  DatasetFolder& operator=(const DatasetFolder&) = delete;

  // Throws as the constructor would, but touches nothing.
  static void check(const fs::path& folder, bool replace);

  // Where to write the file that is to become `name`.
  fs::path temporary(const std::string& name) const;

  // The file that says how to continue with the temporaries.
  fs::path state() const { return state(folder_); }
  static fs::path state(const fs::path& folder);
  // Gives up what could be resumed. Throws IoError.
  void forget();

  // Expects the temporaries to be written and synced: meta.json, train.bin, with `val` val.bin, and
  // with `masks` train.mask and so on. The others are not to be. Throws IoError.
  void publish(bool val = true, bool masks = false);

  // Whether `path` lies directly in `folder` and carries one of the names used here.
  static bool is_ours(const fs::path& folder, const fs::path& path);

 private:
  fs::path folder_;
  FileLock lock_;
};

}  // namespace gpt
