// The names of files and folders that are not finished or no longer wanted. They say which process
// made them, so that what a killed one left can be told from what is being written, and from a
// user's own file. No other place makes or recognises such names.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace gpt {

enum class TemporaryKind {
  kFresh,  // ".tmp-": being written
  kOld,    // ".old-": moved out of the way; may be the only copy
  kTrash,  // ".trash-": being removed
};

enum class TemporaryOwner {
  kThisProcess,
  kAlive,
  kGone,
  kElsewhere,  // of another machine, container or boot: nobody here can tell whether it is alive
};

struct TemporaryName {
  std::string stem;  // the name of what it is a temporary for
  TemporaryKind kind = TemporaryKind::kFresh;
  TemporaryOwner owner = TemporaryOwner::kElsewhere;
};

// A name next to `path` that nothing has: PATH.tmp-MACHINE-PROCESS-START-COUNT, where START is the
// kernel's tick in which the process began, for process ids are used again.
std::filesystem::path temporary_beside(const std::filesystem::path& path,
                                       TemporaryKind kind = TemporaryKind::kFresh);

// What a file name says, if it is exactly one that temporary_beside() makes.
std::optional<TemporaryName> parse_temporary(const std::string& file_name);

// Whether whoever made it is done with it: its process is gone or, where that cannot be known,
// nothing has touched it for an hour.
bool is_abandoned(const std::filesystem::path& path, const TemporaryName& name);

// Removes what killed processes left unfinished or half removed in `folder`, but nothing of kind
// kOld; with a `stem`, only what is of that. Can only warn.
void remove_abandoned(const std::filesystem::path& folder, const std::string& stem = "");

// Removes it; a failure is only a warning.
void remove_or_warn(const std::filesystem::path& path);

}  // namespace gpt
