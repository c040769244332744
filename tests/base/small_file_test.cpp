#include <gtest/gtest.h>

#include "gpt/base/files.h"

#include "support/error_text.h"
#include "support/temp_dir.h"

namespace gpt {
namespace {

using testing::error_text;
using testing::TempDir;

TEST(SmallFile, IsReadWholeUpToItsLimit) {
  const TempDir dir;
  const std::string text(200'000, 'x');
  const auto path = dir.write("a", text);
  EXPECT_EQ(read_small_file(path, 200'000, "a list"), text);
  EXPECT_EQ(read_small_file(dir.write("empty", ""), 0, "a list"), "");
  EXPECT_EQ(error_text([&] { read_small_file(path, 199'999, "a list"); }),
            path.string() + ": is too large; expected a list of at most 195.31 KiB");
}

TEST(SmallFile, SaysWhyItCannotBeRead) {
  const TempDir dir;
  EXPECT_EQ(error_text([&] { read_small_file(dir / "none", 9, "a list"); }),
            (dir / "none").string() + ": cannot read: No such file or directory");
  EXPECT_NE(error_text([&] { read_small_file(dir.path(), 9, "a list"); }).find("Is a directory"),
            std::string::npos);
}

}  // namespace
}  // namespace gpt
