#include "gpt/base/user_folders.h"

#include <gtest/gtest.h>

#include "support/environment.h"

namespace gpt {
namespace {

using testing::Environment;

TEST(UserFolders, TheFirstAbsolutePathOfThemCounts) {
  const Environment own("GPTTRAIN_CACHE", "/own"), xdg("XDG_CACHE_HOME", "/xdg"),
      home("HOME", "/home/u");
  EXPECT_EQ(cache_folder(), "/own");
  EXPECT_EQ(user_cache_folder(), "/xdg");
  const Environment no_own("GPTTRAIN_CACHE", "own");
  EXPECT_EQ(cache_folder(), "/xdg/gpttrain");
  const Environment no_xdg("XDG_CACHE_HOME", "./xdg");
  EXPECT_EQ(cache_folder(), "/home/u/.cache/gpttrain");
  EXPECT_EQ(user_cache_folder(), "/home/u/.cache");
}

TEST(UserFolders, EmptyRelativeAndUnsetAreNowhere) {
  const Environment own("GPTTRAIN_CACHE", ""), xdg("XDG_CACHE_HOME", ""), home("HOME", "");
  EXPECT_FALSE(cache_folder());
  EXPECT_FALSE(user_cache_folder());
  const Environment relative("HOME", "home");
  EXPECT_FALSE(cache_folder());
  const Environment unset_own("GPTTRAIN_CACHE", std::nullopt),
      unset_xdg("XDG_CACHE_HOME", std::nullopt), unset_home("HOME", std::nullopt);
  EXPECT_FALSE(cache_folder());
  EXPECT_FALSE(user_cache_folder());
}

}  // namespace
}  // namespace gpt
