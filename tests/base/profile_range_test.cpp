#include "gpt/base/profile_range.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace gpt {
namespace {

struct Heard : ProfileListener {
  std::string text;
  void begins(const char* name) override { text += std::string("<") + name; }
  void ends() noexcept override { text += ">"; }
};

TEST(ProfileRange, IsHeardByWhoListensWhenItBegins) {
  Heard heard;
  { const ProfileRange before("before"); }
  EXPECT_EQ(set_profile_listener(&heard), nullptr);
  {
    const ProfileRange outer("outer");
    const ProfileRange inner("inner");
  }
  {
    const NoProfileRanges quiet;
    const ProfileRange unheard("unheard");
  }
  {
    const ProfileRange last("last");
    EXPECT_EQ(set_profile_listener(nullptr), &heard);
    const ProfileRange after("after");
  }
  EXPECT_EQ(heard.text, "<outer<inner>><last>");
}

}  // namespace
}  // namespace gpt
