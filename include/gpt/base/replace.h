// How every command puts something new in the place of something old: the new one is made next to
// it under a name of its own, then takes its place in one step, and only then does the old one go.
#pragma once

#include <filesystem>
#include <functional>
#include <string>

namespace gpt {

// Asked about what would have to go, at the place where it is just then; throws InputError to keep
// it.
using MayReplace = std::function<void(const std::filesystem::path& existing)>;
// For a name that is the program's own, whatever has it.
void replace_anything(const std::filesystem::path& existing);

// A file or a folder on its way to `target`. Whatever happens, `target` is the old or the new one
// or, where the file system cannot swap and the process is killed between two renames, the old one
// is next to it until the next Replacement of it puts it back.
class Replacement {
 public:
  // Clears away what killed processes left next to the target. Without `may_replace` the target
  // must not exist when commit() comes.
  explicit Replacement(std::filesystem::path target, MayReplace may_replace = nullptr);
  // Removes what was made and not committed.
  ~Replacement();
  Replacement(const Replacement&) = delete;
  Replacement& operator=(const Replacement&) = delete;

  // Where to make the new file or folder; nothing is there yet.
  const std::filesystem::path& fresh() const { return fresh_; }

  // Expects that to be complete and synced. InputError if the target may not be replaced, IoError
  // if it cannot; then it is as it was. If only the folder's fsync failed, the new one is in place.
  void commit();

 private:
  void commit_over();

  std::filesystem::path target_, fresh_;
  MayReplace may_replace_;
};

// Swaps two paths that exist. Returns where what was at `target` is now: at `fresh`, or where the
// file system has no such call, at a temporary name of kind kOld. IoError: both are as they were.
std::filesystem::path swap_in(const std::filesystem::path& fresh,
                              const std::filesystem::path& target);

// The real place behind links, `.`, `..` and trailing slashes. IoError if it cannot be found out.
std::filesystem::path real_place(const std::filesystem::path& path);

// "" or why the folder at real_place() `place` is never to be replaced: it is, or is above, the
// current folder or the user's home folder, or it is the root of all.
std::string protected_place(const std::filesystem::path& place);

// Whether `path` is `folder` or below it; both as real_place() gives them.
bool is_within(const std::filesystem::path& path, const std::filesystem::path& folder);

}  // namespace gpt
