// A run that a new one in the same folder is to replace.
#pragma once

#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace gpt {

// Nothing of it moves before the first checkpoint of the new run is complete on disk: until then,
// and after a kill, it is there under its own names. Then it goes to out_dir/replaced-DATE/ by
// renames alone, for which a full disk has space. Only for the holder of the run's lock.
class EarlierRun {
 public:
  // `checkpoints` as CheckpointStore lists them, newest first.
  EarlierRun(std::filesystem::path out_dir, std::vector<std::filesystem::path> checkpoints);

  // Where the new run is to write its file of this name meanwhile; move_aside() brings it to its
  // place.
  const std::filesystem::path& staged(const std::string& name);

  // IoError: everything is back where it was.
  void move_aside();
  // Undoes move_aside(). What cannot be moved back is a warning that says where it is.
  void put_back();
  // After move_aside(): where the earlier run is.
  const std::filesystem::path& place() const { return place_; }

  // Brings back what a process that was killed within move_aside() had moved.
  static void restore_unfinished(const std::filesystem::path& out_dir);

 private:
  std::filesystem::path out_dir_, place_;
  std::vector<std::string> names_;  // of what moves, in that order
  std::map<std::string, std::filesystem::path> staged_;
  std::set<std::string> brought_;  // of the staged ones, those that are at their place
};

// The files of a run next to its checkpoints, which go with it.
extern const std::vector<std::string> kRunFiles;

}  // namespace gpt
