// Constant memory: a text of 1 GiB goes through a process that may not have half of that.
#include <memory>
#include <sys/resource.h>
#include <sys/wait.h>

#include <gtest/gtest.h>

#include "gpt/base/files.h"
#include "gpt/dataprep/prepare.h"

#include "dataprep/pair_tokenizer.h"
#include "support/temp_dir.h"

namespace gpt {
namespace {

using testing::TempDir;

constexpr std::uint64_t kText = std::uint64_t{1} << 30;
constexpr rlim_t kLimit = rlim_t{512} << 20;  // address space: programs, stacks, files, all of it

// A process that writes `bytes` of text to the descriptor it returns.
int text_of(std::uint64_t bytes, pid_t& pid) {
  int ends[2];
  if (pipe(ends) != 0) return -1;
  pid = fork();
  if (pid != 0) {
    close(ends[1]);
    return ends[0];
  }
  close(ends[0]);  // or it would never hear that its reader is gone
  std::string block;
  for (int i = 0; block.size() < 1000000; ++i)
    block += std::string(1 + static_cast<std::size_t>(i % 90), static_cast<char>('a' + i % 26)) +
             (i % 9 ? " " : ".\n");
  while (bytes > 0) {
    const ssize_t written =
        write(ends[1], block.data(), std::min<std::uint64_t>(bytes, block.size()));
    if (written <= 0) _exit(1);
    bytes -= static_cast<std::uint64_t>(written);
  }
  _exit(0);
}

TEST(ConstantMemory, OneGibibyteUnderHalfOfIt) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "the address sanitizer takes more address space than the limit leaves";
#endif
  const TempDir folder;
  std::error_code ignored;
  if (fs::space(folder.path(), ignored).available < 2 * kText)
    GTEST_SKIP() << "less than 2 GiB free in the folder for temporary files";
  pid_t writer = 0;
  const int text = text_of(kText, writer);
  const pid_t worker = fork();
  if (worker == 0) {
    const rlimit limit{kLimit, kLimit};
    if (setrlimit(RLIMIT_AS, &limit) != 0 || dup2(text, STDIN_FILENO) < 0) _exit(2);
    close(text);
    try {
      prepare({.inputs = {"-"},
               .out_dir = folder / "out",
               .tokenizer = std::make_shared<PairTokenizer>(),
               .threads = 4});
    } catch (const std::exception& error) {  // bad_alloc above all
      std::fprintf(stderr, "%s\n", error.what());
      _exit(3);
    }
    _exit(0);
  }
  close(text);
  int status = 0;
  ASSERT_EQ(waitpid(worker, &status, 0), worker);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  EXPECT_EQ(waitpid(writer, &status, 0), writer);
  const auto meta = read_dataset_meta(folder / "out");
  ASSERT_TRUE(meta.has_value());
  EXPECT_EQ(meta->bytes, static_cast<std::int64_t>(kText));
  EXPECT_EQ(meta->characters, static_cast<std::int64_t>(kText));
  EXPECT_GT(meta->val_tokens, 10000000);
}

}  // namespace
}  // namespace gpt
