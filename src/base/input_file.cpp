#include "gpt/base/input_file.h"

#include <cerrno>
#include <cstring>
#include <poll.h>
#include <string>
#include <string_view>
#include <unistd.h>
#include <utility>

#include "gpt/base/error.h"

#include "open_file.h"

namespace gpt {

std::optional<int> handed_over(const std::filesystem::path& path) {
  const std::string& name = path.native();
  if (name == "/dev/stdin") return STDIN_FILENO;
  for (const std::string_view folder : {"/dev/fd/", "/proc/self/fd/"}) {
    if (!name.starts_with(folder)) continue;
    const std::string digits = name.substr(folder.size());
    const bool number = !digits.empty() && digits.size() < 8 &&
                        digits.find_first_not_of("0123456789") == digits.npos;
    if (number) return std::stoi(digits);
  }
  return std::nullopt;
}

InputFile::InputFile(const std::filesystem::path& path, Streams streams)
    : path_(path), descriptor_(open_to_read(path, streams).release()) {}

InputFile::~InputFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

std::size_t InputFile::read(void* to, std::size_t size) {
  for (;;) {
    const ssize_t got = ::read(descriptor_, to, size);
    if (got >= 0) return static_cast<std::size_t>(got);
    if (errno == EAGAIN) {  // a stream that its other owner reads without waiting
      pollfd wanted{.fd = descriptor_, .events = POLLIN, .revents = 0};
      poll(&wanted, 1, -1);
    } else if (errno != EINTR) {
      throw InputError(path_.string() + ": cannot read: " + std::strerror(errno));
    }
  }
}

void InputFile::seek(std::uint64_t byte) {
  if (lseek(descriptor_, static_cast<off_t>(byte), SEEK_SET) < 0)
    throw InputError(path_.string() + ": cannot read: " + std::strerror(errno));
}

int InputFile::release() {
  return std::exchange(descriptor_, -1);
}

}  // namespace gpt
