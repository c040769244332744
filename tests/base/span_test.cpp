#include "gpt/base/span.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace gpt {
namespace {

struct Heard : SpanListener {
  std::string text;
  void begins(const char* name) override { text += std::string("<") + name; }
  void ends() noexcept override { text += ">"; }
};

TEST(Span, IsHeardByWhoListensWhenItBegins) {
  Heard heard;
  { const Span before("before"); }
  EXPECT_EQ(listen_to_spans(&heard), nullptr);
  {
    const Span outer("outer");
    const Span inner("inner");
  }
  {
    const NoSpans quiet;
    const Span unheard("unheard");
  }
  {
    const Span last("last");
    EXPECT_EQ(listen_to_spans(nullptr), &heard);
    const Span after("after");
  }
  EXPECT_EQ(heard.text, "<outer<inner>><last>");
}

}  // namespace
}  // namespace gpt
