#include "gpt/base/process.h"

#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <unistd.h>

namespace gpt {

void begin_process() {
  for (int descriptor = STDIN_FILENO; descriptor <= STDERR_FILENO; ++descriptor) {
    if (fcntl(descriptor, F_GETFD) >= 0 || errno != EBADF) continue;
    // The lowest free number is given: this one.
    const int mode = descriptor == STDIN_FILENO ? O_RDONLY : O_WRONLY;
    if (open("/dev/null", mode) < 0) open("/", O_RDONLY | O_DIRECTORY);
  }
  signal(SIGXFSZ, SIG_IGN);
}

void ignore_broken_pipes() {
  signal(SIGPIPE, SIG_IGN);
}

}  // namespace gpt
