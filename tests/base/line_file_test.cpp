#include "gpt/base/line_file.h"

#include <gtest/gtest.h>

#include "gpt/base/error.h"

#include "support/file_fault.h"
#include "support/temp_dir.h"

namespace gpt {
namespace {

using testing::FileFaultGuard;
using testing::TempDir;

// Writes `space` more bytes and no further.
FileFault full_after(std::size_t space) {
  return [space](std::string_view call, const fs::path&, std::size_t* length) mutable {
    if (call != "write") return 0;
    if (space == 0) return ENOSPC;
    *length = std::min(*length, space);
    space -= *length;
    return 0;
  };
}

TEST(LineFile, LinesWaitForTheFile) {
  const TempDir dir;
  LineFile lines;
  lines.write("a");
  lines.open(dir / "log");
  EXPECT_EQ(read_file(dir / "log"), "a\n");
  lines.write("b");
  EXPECT_EQ(read_file(dir / "log"), "a\nb\n");
}

TEST(LineFile, HalfALineIsNeverLeft) {
  const TempDir dir;
  LineFile lines;
  lines.open(dir / "log");
  lines.write("first");
  {
    const FileFaultGuard full(full_after(3));
    EXPECT_THROW(lines.write("second"), IoError);
    EXPECT_TRUE(lines.failing());
    lines.write("third");  // is said once
    EXPECT_EQ(read_file(dir / "log"), "first\n");
  }
  lines.write("fourth");
  EXPECT_FALSE(lines.failing());
  EXPECT_EQ(lines.take_lost(), 0);
  EXPECT_EQ(read_file(dir / "log"), "first\nsecond\nthird\nfourth\n");
}

TEST(LineFile, HalfALineThatCannotBeCutOffIsEnded) {
  const TempDir dir;
  LineFile lines;
  lines.open(dir / "log");
  {
    const FileFaultGuard full(
        [write = full_after(3)](std::string_view call, const fs::path& path, std::size_t* length) {
          return call == "ftruncate" ? EIO : write(call, path, length);
        });
    EXPECT_THROW(lines.write("first"), IoError);
  }
  lines.write("second");
  EXPECT_EQ(read_file(dir / "log"), "fir\nfirst\nsecond\n");
}

TEST(LineFile, WhatWaitsIsBounded) {
  const TempDir dir;
  LineFile lines;
  const std::string line(1 << 18, 'x');
  for (int i = 0; i < 6; ++i) lines.write(line + std::to_string(i));
  lines.open(dir / "log");
  EXPECT_EQ(lines.take_lost(), 3);
  EXPECT_EQ(read_file(dir / "log"), line + "3\n" + line + "4\n" + line + "5\n");
}

TEST(LineFile, ALinkIsRefusedAndTheNextFileGetsTheLines) {
  const TempDir dir;
  const fs::path victim = dir.write("victim", "precious");
  fs::create_symlink(victim, dir / "link");
  LineFile lines;
  EXPECT_THROW(lines.open(dir / "link"), IoError);
  lines.write("a");
  lines.open(dir / "log");
  EXPECT_EQ(read_file(dir / "log"), "a\n");
  EXPECT_EQ(read_file(victim), "precious");
}

}  // namespace
}  // namespace gpt
