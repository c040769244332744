#include "gpt/text/text_mode.h"

#include <gtest/gtest.h>

#include "support/error_text.h"

namespace gpt {
namespace {

using testing::error_text;

std::string read(const std::string& bytes) {
  return text_mode(bytes, "p.txt");
}

TEST(TextMode, AFileIsReadAsPythonsTextModeDoes) {
  EXPECT_EQ(read("a\r\nb\r\r\nc\n\rd\r"), "a\nb\n\nc\n\nd\n");
  EXPECT_EQ(read("\xEF\xBB\xBF"
                 "a"),
            "a");
  EXPECT_EQ(read("a\xEF\xBB\xBF"), "a\xEF\xBB\xBF");  // there it is a character
  EXPECT_EQ(read(""), "");
  EXPECT_EQ(read("\xff\xc3"), "\xff\xc3");  // a BPE takes any bytes
}

TEST(TextMode, Utf16IsKnownByItsByteOrderMark) {
  using namespace std::string_literals;
  EXPECT_EQ(read("\xFF\xFE"
                 "a\0\r\0\n\0\xE9\0\x3D\xD8\0\xDE"s),
            "a\n\u00e9\U0001F600");
  EXPECT_EQ(read("\xFE\xFF\0a\x4E\x2D\xD8\x3D"s), "a\u4e2d\uFFFD");
  EXPECT_EQ(error_text([] {
              read(
                  "\xFF\xFE"
                  "a");
            }),
            "p.txt: begins as UTF-16 does but has an odd number of bytes; save it as UTF-8");
}

}  // namespace
}  // namespace gpt
