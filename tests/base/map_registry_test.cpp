// What readers of a memory map see when the file changes under them.
#include <fstream>
#include <thread>
#include <unistd.h>
#include <vector>

#include <gtest/gtest.h>

#include "gpt/base/checksum.h"
#include "gpt/base/error.h"
#include "gpt/base/files.h"

#include "support/error_text.h"
#include "support/temp_dir.h"

namespace gpt {
namespace {

using testing::error_text;
using testing::TempDir;

constexpr std::size_t kPages = 64 * 4096;

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST(MappedFile, ACutFileIsAnErrorThatNamesItAndNoSignal) {
  const TempDir dir;
  const fs::path path = dir.write("tokens", std::string(kPages, 'x'));
  const MappedFile file(path);
  file.check_unchanged();
  fs::resize_file(path, 100);
  std::size_t there = 0;
  for (const std::byte byte : file.bytes()) there += byte == std::byte{'x'};
  EXPECT_EQ(there, 100u);
  const std::string text = error_text([&] { file.check_unchanged(); });
  EXPECT_TRUE(has(text, path.string() + ": was cut from 262144 to 100 bytes")) << text;
  EXPECT_EQ(error_text([&] { check_mapped(file.bytes().subspan(5, 7)); }), text);
  EXPECT_THROW(file.check_unchanged(), InputError);
}

TEST(MappedFile, ACutWithinTheLastPageIsSeenToo) {
  const TempDir dir;
  const fs::path path = dir.write("tokens", std::string(kPages - 10, 'x'));
  const MappedFile file(path);
  fs::resize_file(path, kPages - 11);
  EXPECT_TRUE(has(error_text([&] { file.check_unchanged(); }), "was cut from"));
}

// It may have been cut, read and written again before anybody looks.
TEST(MappedFile, WhatCouldNotBeReadStaysAnError) {
  const TempDir dir;
  const fs::path path = dir.write("tokens", std::string(kPages, 'x'));
  const MappedFile file(path);
  fs::resize_file(path, 0);
  EXPECT_EQ(file.bytes()[kPages - 1], std::byte{0});
  dir.write("tokens", std::string(kPages, 'y'));
  EXPECT_TRUE(has(error_text([&] { file.check_unchanged(); }), "could not be read"));
}

TEST(MappedFile, ThreadsThatMeetTheHoleTogetherAllGoOn) {
  const TempDir dir;
  std::vector<fs::path> paths;
  std::vector<MappedFile> files;
  for (int i = 0; i < 4; ++i) {
    paths.push_back(dir.write("tokens" + std::to_string(i), std::string(kPages, 'x')));
    files.emplace_back(paths.back());
  }
  for (const fs::path& path : paths) fs::resize_file(path, 0);
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i)
    threads.emplace_back([&, i] {
      for (const std::byte byte : files[static_cast<std::size_t>(i) % 4].bytes())
        EXPECT_EQ(byte, std::byte{0});
    });
  for (int i = 0; i < 200; ++i) MappedFile(dir.write("other", "z")).check_unchanged();
  for (std::thread& thread : threads) thread.join();
  for (const MappedFile& file : files) EXPECT_THROW(file.check_unchanged(), InputError);
}

TEST(MappedFile, AnotherFileUnderTheNameChangesNothing) {
  const TempDir dir;
  const fs::path path = dir.write("tokens", std::string(kPages, 'x'));
  const MappedFile file(path);
  rename_path(dir.write("fresh", "short"), path);
  EXPECT_EQ(file.bytes()[kPages - 1], std::byte{'x'});
  file.check_unchanged();
  fs::remove(path);
  file.check_unchanged();
}

TEST(MappedFile, MoreDataOrANewTimeIsNoError) {
  const TempDir dir;
  const fs::path path = dir.write("tokens", "12345");
  const MappedFile file(path);
  std::ofstream(path, std::ios::app) << "678";
  file.check_unchanged();
  check_mapped(file.bytes());
}

TEST(MappedFile, OtherMemoryIsNobodysFile) {
  const std::vector<std::byte> bytes(100);
  check_mapped(bytes);
  check_mapped({});
}

TEST(Checksum, OfAFile) {
  const TempDir dir;
  const std::string text(3'000'001, 'q');
  EXPECT_EQ(crc32c_of_file(dir.write("q", text)), crc32c(std::as_bytes(std::span(text))));
  EXPECT_EQ(crc32c_of_file(dir.write("empty", "")), 0u);
  EXPECT_THROW(crc32c_of_file(dir / "none"), InputError);
}

TEST(OutputFile, CutsBackAndGoesOnThere) {
  const TempDir dir;
  const fs::path path = dir.write("lines", "one\n");
  OutputFile file(path, OutputFile::kAppend);
  file.write("tw");
  EXPECT_EQ(file.size(), 6u);
  file.truncate(4);
  file.write("two\n");
  EXPECT_EQ(read_file(path), "one\ntwo\n");
}

TEST(FileLock, KnowsWhetherItsFileIsStillThere) {
  const TempDir dir;
  const fs::path path = dir / "run.lock";
  const auto lock = FileLock::try_lock(path, nullptr);
  ASSERT_TRUE(lock);
  EXPECT_TRUE(lock->is_at(path));
  fs::rename(path, dir / "elsewhere");
  EXPECT_FALSE(lock->is_at(path));
  dir.write("run.lock", "another");
  EXPECT_FALSE(lock->is_at(path));
  EXPECT_TRUE(lock->is_at(dir / "elsewhere"));
}

}  // namespace
}  // namespace gpt
