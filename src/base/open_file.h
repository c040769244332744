// The one place where files are opened by name. What stands at a name may be anything, so nothing
// here waits for a pipe or a device, and nothing writes through a link.
#pragma once

#include <filesystem>
#include <sys/types.h>
#include <unistd.h>
#include <utility>

#include "gpt/base/input_file.h"

namespace gpt {

// A file descriptor that is closed with its owner.
class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  Descriptor(Descriptor&& other) noexcept : number_(other.release()) {}
  Descriptor& operator=(Descriptor&&) = delete;

  int number() const { return number_; }
  int release() { return std::exchange(number_, -1); }

 private:
  int number_;
};

// To read; InputError. A directory is refused as read(2) would.
Descriptor open_to_read(const std::filesystem::path& path, Streams streams);

// A new, empty file to write; IoError. It takes the place of a file or a link of that name, whose
// other names and target stay as they are. A character device (/dev/null) is opened as it is.
Descriptor open_new(const std::filesystem::path& path);

// A file to write that may be there already and is made if not; IoError if it is a link, which
// would lead out of the folder, or no file. `flags` as open(2)'s: O_RDWR, or O_WRONLY | O_APPEND.
Descriptor open_to_change(const std::filesystem::path& path, int flags);

// How many names the open file has.
nlink_t name_count(int descriptor);

// IoError if a rename to `path` would destroy a device, a pipe or a socket.
void expect_replaceable(const std::filesystem::path& path);

}  // namespace gpt
