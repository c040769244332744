#include "gpt/base/process.h"

#include <csignal>
#include <fcntl.h>
#include <functional>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "gpt/base/error.h"
#include "gpt/base/files.h"

#include "support/temp_dir.h"

namespace gpt {
namespace {

using testing::TempDir;

// Exit code of `work` in a child, minus the signal that ended it.
int in_child(const std::function<int()>& work) {
  const pid_t child = fork();
  if (child == 0) _exit(work());
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

TEST(Process, StandardStreamsAreOpenWhateverTheCallerLeft) {
  for (int closed = 0; closed < 8; ++closed)
    EXPECT_EQ(in_child([&] {
                for (int descriptor = 0; descriptor < 3; ++descriptor)
                  if (closed >> descriptor & 1) close(descriptor);
                begin_process();
                char byte;
                if (open("/dev/null", O_RDONLY) < 3) return 1;
                if ((closed & 1) && read(0, &byte, 1) != 0) return 2;
                if ((closed & 2) && write(1, "x", 1) != 1) return 3;
                return (closed & 4) && write(2, "x", 1) != 1 ? 4 : 0;
              }),
              0)
        << closed;
}

TEST(Process, AFileThatGrowsTooLargeIsAFailedWrite) {
  const TempDir dir;
  EXPECT_EQ(in_child([&] {
              begin_process();
              const rlimit limit{1000, 1000};
              setrlimit(RLIMIT_FSIZE, &limit);
              try {
                OutputFile(dir / "a").write(std::string(2000, 'x'));
              } catch (const IoError& error) {
                return error.error() == EFBIG ? 0 : 1;
              }
              return 2;
            }),
            0);
}

TEST(Process, APipeThatNobodyReadsIsAFailedWrite) {
  EXPECT_EQ(in_child([] {
              ignore_broken_pipes();
              int ends[2];
              if (pipe(ends) != 0) return 1;
              close(ends[0]);
              return write(ends[1], "x", 1) < 0 && errno == EPIPE ? 0 : 2;
            }),
            0);
}

}  // namespace
}  // namespace gpt
