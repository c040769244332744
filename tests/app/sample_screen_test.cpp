#include "app/sample_screen.h"

#include <gtest/gtest.h>

namespace gpt {
namespace {

// Token i is the i-th of a list of byte strings.
class ByteTokens : public Tokenizer {
 public:
  std::string_view name() const override { return "test"; }
  std::int64_t vocab_size() const override { return 6; }
  std::optional<std::int32_t> end_of_text() const override { return std::nullopt; }
  std::int64_t append_ids(std::string_view, const std::string&, std::vector<std::int32_t>&,
                          const EncodeOptions&) const override {
    return 0;
  }
  void append_text(std::int64_t id, std::string& bytes) const override {
    bytes += std::vector<std::string>{
        "a", "b", "\xE2", "\x82", "\xAC", "\xAC!"}[static_cast<std::size_t>(id)];
  }
  std::size_t safe_cut(std::string_view, const EncodeOptions&) const override { return 0; }
};

const std::string kLine = "\n---------------\n";

struct Screen {
  explicit Screen(std::int64_t samples)
      : screen(tokens, ">", samples, [this](const std::string& text) { shown.push_back(text); }) {}
  std::string all() const {
    std::string text;
    for (const auto& piece : shown) text += piece;
    return text;
  }
  ByteTokens tokens;
  std::vector<std::string> shown;
  SampleScreen screen;
};

TEST(SampleScreen, ShowsTextAsItAppears) {
  Screen s(1);
  EXPECT_EQ(s.shown, std::vector<std::string>{">"});
  s.screen.add(0, 0);
  EXPECT_EQ(s.shown.back(), "a");
  s.screen.end(0);
  EXPECT_EQ(s.all(), ">a" + kLine);
}

TEST(SampleScreen, CharactersAreNeverTorn) {
  Screen s(1);
  for (const int token : {2, 3}) s.screen.add(0, token);
  EXPECT_EQ(s.all(), ">");
  s.screen.add(0, 5);
  EXPECT_EQ(s.shown.back(), "\xE2\x82\xAC!");
  s.screen.add(0, 2);  // a beginning without an end
  s.screen.end(0);
  EXPECT_EQ(s.all(), ">\xE2\x82\xAC!\xEF\xBF\xBD" + kLine);
}

TEST(SampleScreen, OneSampleAtATimeInOrder) {
  Screen s(3);
  s.screen.add(1, 1);
  s.screen.add(0, 0);
  s.screen.add(2, 1);
  s.screen.end(2);
  EXPECT_EQ(s.all(), ">a");
  s.screen.end(0);
  EXPECT_EQ(s.all(), ">a" + kLine + ">b");
  s.screen.add(1, 0);
  EXPECT_EQ(s.shown.back(), "a");
  s.screen.end(1);
  EXPECT_EQ(s.all(), ">a" + kLine + ">ba" + kLine + ">b" + kLine);
}

}  // namespace
}  // namespace gpt
