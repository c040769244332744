#include "gpt/base/programs.h"

#include <gtest/gtest.h>

#include "support/environment.h"
#include "support/temp_dir.h"

namespace gpt {
namespace {

namespace fs = std::filesystem;
using testing::Environment;
using testing::TempDir;

fs::path make_program(const TempDir& dir, const std::string& name) {
  const fs::path file = dir.write(name, "#!/bin/sh\n");
  fs::permissions(file, fs::perms::owner_all);
  return file;
}

TEST(Programs, AreFoundInPathsAbsoluteFoldersInOrder) {
  const TempDir first, second;
  const fs::path one = make_program(first, "tool"), two = make_program(second, "tool"),
                 other = make_program(second, "other");
  const Environment path("PATH",
                         "/nonexistent:" + first.path().string() + ":" + second.path().string());
  EXPECT_EQ(find_program("tool"), one);
  EXPECT_EQ(find_program("other"), other);
  EXPECT_FALSE(find_program("absent"));
  EXPECT_FALSE(find_program(""));
  fs::permissions(one, fs::perms::owner_read);
  EXPECT_EQ(find_program("tool"), two);
  fs::remove(one);
  fs::create_directory(one);
  EXPECT_EQ(find_program("tool"), two);
}

TEST(Programs, AreNotFoundInTheCurrentFolderOrRelativeOnes) {
  const TempDir dir;
  make_program(dir, "tool");
  const fs::path before = fs::current_path();
  fs::current_path(dir.path());
  for (const char* folders : {"", ":", ".", "./", "..:", ":/nonexistent", "/nonexistent:"}) {
    const Environment path("PATH", folders);
    EXPECT_FALSE(find_program("tool")) << folders;
  }
  EXPECT_EQ(find_program("./tool").value_or("").lexically_normal(), dir / "tool");
  fs::current_path(before);
}

TEST(Programs, WithoutAPathTheSystemsFoldersAreSearched) {
  const Environment path("PATH", std::nullopt);
  const auto shell = find_program("sh");
  ASSERT_TRUE(shell);
  EXPECT_TRUE(shell->is_absolute());
}

}  // namespace
}  // namespace gpt
