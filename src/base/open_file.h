// The one place where files are opened by name. What stands at a name may be anything, so nothing
// here waits for a pipe or a device, and nothing writes through a link.
#pragma once

#include <filesystem>
#include <sys/types.h>

#include "gpt/base/input_file.h"

#include "descriptor.h"

namespace gpt {

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
