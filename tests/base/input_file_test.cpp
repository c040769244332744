#include "gpt/base/input_file.h"

#include <fcntl.h>
#include <functional>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "gpt/base/error.h"
#include "gpt/base/files.h"

#include "support/error_text.h"
#include "support/temp_dir.h"

namespace gpt {
namespace {

using testing::error_text;
using testing::TempDir;

// A socket's name, as a server leaves it.
void make_socket(const fs::path& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.string().copy(address.sun_path, sizeof address.sun_path - 1);
  const int made = socket(AF_UNIX, SOCK_STREAM, 0);
  ASSERT_EQ(bind(made, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  close(made);
}

// Each of these reads by name; a test that waits for ever is ended by SIGALRM.
class InputFiles : public ::testing::Test {
 protected:
  void SetUp() override { alarm(30); }
  void TearDown() override { alarm(0); }
  const std::vector<std::function<void(const fs::path&)>> readers_{
      [](const fs::path& path) { read_file(path); },
      [](const fs::path& path) { read_small_file(path, 9, "a list"); },
      [](const fs::path& path) { MappedFile file(path); },
      [](const fs::path& path) { InputFile file(path); }};
  const TempDir dir_;
};

TEST_F(InputFiles, WhatIsNoFileIsNamedAndNotWaitedFor) {
  ASSERT_EQ(mkfifo((dir_ / "pipe").c_str(), 0600), 0);
  make_socket(dir_ / "socket");
  fs::create_symlink("pipe", dir_ / "link");
  const std::vector<std::pair<fs::path, std::string>> cases{
      {dir_ / "pipe", ": is a pipe; expected a regular file"},
      {dir_ / "link", ": is a pipe; expected a regular file"},
      {dir_ / "socket", ": is a socket; expected a regular file"},
      {"/dev/zero", ": is a device; expected a regular file"},
      {"/dev/tty", ": is a device; expected a regular file"},
      {dir_.path(), ": cannot read: Is a directory"},
      {dir_ / "none", ": cannot read: No such file or directory"}};
  for (const auto& [path, text] : cases)
    for (const auto& reader : readers_) {
      EXPECT_EQ(error_text([&] { reader(path); }).find(path.string() + text), 0u)
          << error_text([&] { reader(path); });
      EXPECT_THROW(reader(path), InputError);
    }
}

// A pipe to read from that holds `text` and has no more writer, as `<(command)` leaves one.
std::string handed_pipe(const std::string& text) {
  int ends[2];
  if (pipe(ends) != 0 || write(ends[1], text.data(), text.size()) < 0) std::abort();
  close(ends[1]);
  return "/dev/fd/" + std::to_string(ends[0]);
}

TEST_F(InputFiles, StreamsThatTheCallerOpenedAreRead) {
  EXPECT_EQ(read_file(handed_pipe("abc")), "abc");
  EXPECT_EQ(read_small_file(handed_pipe("abc"), 9, "a list"), "abc");
  const std::string pipe = handed_pipe("abc");
  EXPECT_EQ(read_file("/proc/self/fd" + pipe.substr(7)), "abc");
  EXPECT_EQ(read_file(pipe), "");  // the same stream
  EXPECT_NE(error_text([] { MappedFile file(handed_pipe("abc")); }).find("is a pipe"),
            std::string::npos);
}

TEST_F(InputFiles, AFileThatTheCallerOpenedIsReadFromItsBeginning) {
  const int file = open(dir_.write("a", "abc").c_str(), O_RDONLY);
  const std::string name = "/dev/fd/" + std::to_string(file);
  for (int i = 0; i < 2; ++i) EXPECT_EQ(read_file(name), "abc");
  EXPECT_EQ(MappedFile(name).bytes().size(), 3u);
  close(file);
  EXPECT_THROW(read_file(name), InputError);
}

TEST_F(InputFiles, WhatHasNoEndIsLeft) {
  EXPECT_NE(error_text([] {
              read_small_file(handed_pipe(std::string(60000, 'x')), 1 << 10, "a list");
            }).find("expected a list of at most 1.00 KiB"),
            std::string::npos);
}

TEST(HandedOver, IsOnlyWhatTheKernelCallsSo) {
  EXPECT_EQ(handed_over("/dev/stdin"), 0);
  EXPECT_EQ(handed_over("/dev/fd/63"), 63);
  EXPECT_EQ(handed_over("/proc/self/fd/7"), 7);
  for (const char* name : {"/dev/fd/", "/dev/fd/x", "/dev/fd/1/2", "/dev/null", "stdin", "",
                           "/dev/fd/99999999999", "/dev/fd/-1"})
    EXPECT_EQ(handed_over(name), std::nullopt) << name;
}

TEST(InputFile, SeeksAndEnds) {
  const TempDir dir;
  InputFile file(dir.write("a", "hello"));
  char text[9];
  file.seek(3);
  EXPECT_EQ(file.read(text, sizeof text), 2u);
  EXPECT_EQ(text[0], 'l');
  EXPECT_EQ(file.read(text, sizeof text), 0u);
}

}  // namespace
}  // namespace gpt
