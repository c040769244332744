#include "gpt/base/small_file.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>

#include "gpt/base/error.h"
#include "gpt/base/strings.h"

namespace gpt {

namespace {

// Bytes up to the end or `most` + 1 of them; errno of what went wrong in `error`.
std::string bytes_of(int descriptor, std::uint64_t most, int& error) {
  std::string text;
  char chunk[1 << 16];
  for (ssize_t got = 1; got != 0 && text.size() <= most;) {
    got = read(descriptor, chunk, sizeof chunk);
    if (got < 0 && errno != EINTR) {
      error = errno;
      return text;
    }
    if (got > 0) text.append(chunk, static_cast<std::size_t>(got));
  }
  return text;
}

}  // namespace

std::string read_small_file(const std::filesystem::path& path, std::uint64_t most,
                            const std::string& what) {
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  int error = descriptor < 0 ? errno : 0;
  std::string text;
  if (descriptor >= 0) {
    text = bytes_of(descriptor, most, error);
    close(descriptor);
  }
  if (error != 0) throw InputError(path.string() + ": cannot read: " + std::strerror(error));
  if (text.size() > most)
    throw InputError(concat(path.string(), ": is too large; expected ", what, " of at most ",
                            human_bytes(most)));
  return text;
}

}  // namespace gpt
