// File calls that report what failed and where, survive short writes and EINTR, and can be made to
// fail on purpose. Everything the program writes goes through here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gpt {

namespace fs = std::filesystem;

// Tests install a hook that is asked before each system call ("open", "write", "fsync", "rename",
// "exchange", "unlink", "close", "rmdir", "mkdir", "fsync_dir", "statvfs", "ftruncate"). Returning
// an errno makes the call fail with it; the hook may also kill the process, or set *length to make
// one write short. Empty in production: one branch.
using FileFault =
    std::function<int(std::string_view call, const fs::path& path, std::size_t* length)>;
void set_file_fault(FileFault fault);

// Whether something has this name, a link that leads nowhere included. Neither this nor
// file_exists() throws: what cannot be told counts as absent.
bool present(const fs::path& path);
// Whether the name leads to something, through links.
bool file_exists(const fs::path& path);

// Whole file; InputError if it does not exist or cannot be read. Of streams only those that were
// handed to the program (input_file.h).
std::string read_file(const fs::path& path);

// The same of a file that has no business being large, never with more than `most` bytes of it in
// memory: a pipe that has no end or a file that grows meanwhile is an InputError too, "PATH: ...;
// expected WHAT of at most ...".
std::string read_small_file(const fs::path& path, std::uint64_t most, const std::string& what);

// Writes next to the target, fsyncs, renames over it, fsyncs the folder: after a crash the old or
// the new text is there, never a mixture. Throws IoError; if only the folder's fsync failed, the
// new text is in place all the same.
void replace_file(const fs::path& path, std::string_view text);

// A file being written. Throws IoError; the destructor closes without throwing and keeps what was
// written. No other file is ever touched, whatever stands at the name.
class OutputFile {
 public:
  // kCreate makes a new file, in place of a file or a link of that name. kAppend continues with the
  // one that is there; a link is refused, and a file with a second (hard linked) name is copied
  // first. Folders, pipes, sockets and block devices are refused.
  enum Mode { kCreate, kAppend };
  explicit OutputFile(const fs::path& path, Mode mode = kCreate);
  ~OutputFile();
  OutputFile(OutputFile&&) noexcept;
  OutputFile& operator=(OutputFile&&) = delete;
  void write(std::span<const std::byte> bytes);
  void write(std::string_view text);
  void sync();
  void close();
  // Bytes of the file now.
  std::uint64_t size() const;
  // Drops what lies behind the first `size` bytes; one that appends continues there.
  void truncate(std::uint64_t size);
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
  int descriptor_ = -1;
};

class MapRecord;

// A read-only memory map. Empty files map to an empty span. Throws InputError. A file that is cut
// while it is mapped, or a disk that fails, reads as zeros and not as the end of the process: who
// has read bytes and is about to use them asks check_unchanged() first.
class MappedFile {
 public:
  explicit MappedFile(const fs::path& path);
  ~MappedFile();
  MappedFile(MappedFile&&) noexcept;
  MappedFile& operator=(MappedFile&&) = delete;
  std::span<const std::byte> bytes() const { return {data_, size_}; }
  const fs::path& path() const { return path_; }

  // InputError if the file has become shorter, or a part of it could not be read. One that was
  // written to otherwise costs a warning, once: all is there, but may be other data.
  void check_unchanged() const;

 private:
  fs::path path_;
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
  std::unique_ptr<MapRecord> record_;  // of a file that is not empty
};

// The same for bytes that may lie in somebody's MappedFile, or in none.
void check_mapped(std::span<const std::byte> bytes);

void make_directories(const fs::path& path);
void sync_directory(const fs::path& path);
// Replaces a file or a link at `to`, never a device, a pipe or a socket.
void rename_path(const fs::path& from, const fs::path& to);
// Files, then folders; throws IoError at the first that cannot go. A missing path is fine.
void remove_tree(const fs::path& path);
// Bytes that an unprivileged process may still write where `path` (or its nearest existing
// ancestor) lives; nothing where the file system does not say (ramfs, many of FUSE). A hint: with
// quotas, compression or other writers more or less goes in, and only writing shows.
std::optional<std::uint64_t> free_bytes(const fs::path& path);

// An advisory lock (flock) held while the object lives; it goes with the process however that
// ends. try_lock returns nothing if another process holds it; `owner` then gets what that process
// wrote into it (its pid and start time). IoError if the path is a link; a file that has another
// name as well (a hard link) is locked but not written.
class FileLock {
 public:
  static std::optional<FileLock> try_lock(const fs::path& path, std::string* owner);
  // Whether `path` names the file that is locked; not after that was removed, renamed or replaced.
  bool is_at(const fs::path& path) const;
  ~FileLock();
  FileLock(FileLock&&) noexcept;
  FileLock& operator=(FileLock&&) = delete;

 private:
  explicit FileLock(int descriptor) : descriptor_(descriptor) {}
  int descriptor_ = -1;
};

}  // namespace gpt
