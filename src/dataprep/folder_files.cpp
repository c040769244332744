#include "folder_files.h"

#include <algorithm>
#include <set>
#include <sys/stat.h>
#include <utility>

#include "gpt/base/error.h"
#include "gpt/base/strings.h"
#include "gpt/dataprep/dataset_folder.h"

namespace gpt {

namespace fs = std::filesystem;

namespace {

using FileId = std::pair<dev_t, ino_t>;

class FolderWalk {
 public:
  FolderWalk(const fs::path& top, const fs::path& out_dir, LeftOut& left_out)
      : top_(top), out_dir_(out_dir), left_out_(left_out) {}

  std::vector<fs::path> files() {
    walk(top_);
    following_ = true;
    // What is there itself comes first, so that it is the link that is left out.
    while (!links_.empty()) {
      std::vector<fs::path> links = std::exchange(links_, {});
      std::sort(links.begin(), links.end());
      for (const fs::path& link : links) follow(link);
    }
    std::sort(files_.begin(), files_.end());
    return std::move(files_);
  }

 private:
  void leave_out(NoText reason, const fs::path& path, const char* end = "") {
    left_out_.add(reason, path.lexically_relative(top_).string() + end);
  }

  void walk(const fs::path& folder) {
    std::vector<fs::path> folders{folder};
    while (!folders.empty()) {
      const fs::path next = std::move(folders.back());
      folders.pop_back();
      struct stat facts {};
      if (stat(next.c_str(), &facts) == 0 && !seen_.insert({facts.st_dev, facts.st_ino}).second)
        leave_out(NoText::kSameFile, next, "/");
      else
        list(next, folders);
    }
  }

  void list(const fs::path& folder, std::vector<fs::path>& folders) {
    std::error_code error;
    std::vector<fs::directory_entry> entries;
    fs::directory_iterator entry(folder, error);
    for (; !error && entry != fs::directory_iterator(); entry.increment(error))
      entries.push_back(*entry);
    std::sort(entries.begin(), entries.end());
    for (const fs::directory_entry& each : entries) take(each, folders);
    if (!error) return;
    if (folder == top_)
      throw InputError(concat(folder.string(), ": cannot list the folder: ", error.message(),
                              "; give it to this user, or name its files"));
    leave_out(NoText::kUnreadable, folder, "/");
  }

  void take(const fs::directory_entry& entry, std::vector<fs::path>& folders) {
    const fs::path& path = entry.path();
    if (DatasetFolder::is_ours(out_dir_, path)) return;
    std::error_code unknown;
    const fs::file_status status = entry.symlink_status(unknown);
    const bool folder = fs::is_directory(status);
    if (path.filename().native().starts_with('.'))
      leave_out(NoText::kHidden, path, folder ? "/" : "");
    else if (fs::is_symlink(status))
      links_.push_back(path);
    else if (folder)
      folders.push_back(path);
    else if (fs::is_regular_file(status))
      add(path);
    else
      leave_out(NoText::kNoFile, path);
  }

  void add(const fs::path& path) {
    struct stat facts {};
    if (stat(path.c_str(), &facts) != 0) return leave_out(NoText::kUnreadable, path);
    const bool first = seen_.insert({facts.st_dev, facts.st_ino}).second;
    if (following_ && !first) return leave_out(NoText::kSameFile, path);
    files_.push_back(path);
  }

  void follow(const fs::path& link) {
    std::error_code unknown;
    const fs::file_status status = fs::status(link, unknown);
    if (fs::is_directory(status))
      walk(link);
    else if (fs::is_regular_file(status))
      add(link);
    else
      leave_out(fs::exists(status) ? NoText::kNoFile : NoText::kBrokenLink, link);
  }

  const fs::path& top_;
  const fs::path& out_dir_;
  LeftOut& left_out_;
  std::set<FileId> seen_;
  bool following_ = false;  // links, and what they lead to
  std::vector<fs::path> links_, files_;
};

}  // namespace

std::vector<fs::path> files_below(const fs::path& folder, const fs::path& out_dir,
                                  LeftOut& left_out) {
  return FolderWalk(folder, out_dir, left_out).files();
}

}  // namespace gpt
