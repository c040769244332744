#include "gpt/base/glob.h"

#include <gtest/gtest.h>

#include "support/temp_dir.h"

namespace gpt {
namespace {

using testing::TempDir;
using Paths = std::vector<std::filesystem::path>;

TEST(Glob, FindsFilesSortedByByte) {
  const TempDir dir;
  for (const char* name : {"b_2.bin", "b_10.bin", "B_1.bin", "b_1.txt"}) dir.write(name, "");
  EXPECT_EQ(matching_paths((dir / "*.bin").string()),
            (Paths{dir / "B_1.bin", dir / "b_10.bin", dir / "b_2.bin"}));
  EXPECT_EQ(matching_paths((dir / "b_?.*").string()), (Paths{dir / "b_1.txt", dir / "b_2.bin"}));
  EXPECT_EQ(matching_paths((dir / "[bB]_1.*").string()), (Paths{dir / "B_1.bin", dir / "b_1.txt"}));
  EXPECT_EQ(matching_paths((dir / "b_1.txt").string()), Paths{dir / "b_1.txt"});
  EXPECT_EQ(matching_paths((dir / "no*").string()), Paths{});
  EXPECT_EQ(matching_paths((dir / "no").string()), Paths{});
  EXPECT_EQ(matching_paths((dir / "b_1.txt/*").string()), Paths{});
}

TEST(Glob, ANameThatExistsIsThatFileWhateverCharactersItHas) {
  const TempDir dir;
  for (const char* name : {"[v1] data/a.bin", "v/a.bin", "a*", "ab", "s*/b.bin", "s1/c.bin", "w?"})
    dir.write(name, "");
  EXPECT_EQ(matching_paths((dir / "[v1] data/a.bin").string()), Paths{dir / "[v1] data/a.bin"});
  EXPECT_EQ(matching_paths((dir / "[v1] data/*.bin").string()), Paths{dir / "[v1] data/a.bin"});
  EXPECT_EQ(matching_paths((dir / "[v1]/*.bin").string()), Paths{dir / "v/a.bin"});
  EXPECT_EQ(matching_paths((dir / "a*").string()), Paths{dir / "a*"});
  EXPECT_EQ(matching_paths((dir / "s*/b*").string()), Paths{dir / "s*/b.bin"});
  EXPECT_EQ(matching_paths((dir / "s*/c.bin").string()), Paths{dir / "s1/c.bin"});
}

TEST(Glob, KnowsPatterns) {
  EXPECT_TRUE(is_pattern("a/*.bin"));
  EXPECT_TRUE(is_pattern("a?"));
  EXPECT_TRUE(is_pattern("[ab]"));
  EXPECT_FALSE(is_pattern("plain/name.bin"));
}

}  // namespace
}  // namespace gpt
