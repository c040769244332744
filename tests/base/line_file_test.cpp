#include "gpt/base/line_file.h"

#include <gtest/gtest.h>

#include "gpt/base/error.h"

#include "support/file_fault.h"
#include "support/temp_dir.h"

namespace gpt {
namespace {

using testing::FileFaultGuard;
using testing::full_after;
using testing::TempDir;

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
    EXPECT_EQ(lines.waiting(), 2);
  }
  lines.write("fourth");
  EXPECT_FALSE(lines.failing());
  EXPECT_EQ(lines.take_lost(), 0);
  EXPECT_EQ(lines.waiting(), 0);
  EXPECT_EQ(read_file(dir / "log"), "first\nsecond\nthird\nfourth\n");
}

TEST(LineFile, HalfALineThatCannotBeCutOffIsEnded) {
  const TempDir dir;
  LineFile lines;
  lines.open(dir / "log");
  {
    const FileFaultGuard full(full_after(3, /*truncates=*/false));
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
