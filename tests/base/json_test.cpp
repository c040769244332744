#include "gpt/base/json.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "support/error_text.h"

namespace gpt {
namespace {

using testing::error_text;

std::string nested(int levels) {
  return std::string(static_cast<std::size_t>(levels), '[') +
         std::string(static_cast<std::size_t>(levels), ']');
}

TEST(Json, ReadsATree) {
  EXPECT_EQ(parse_json("{\"b\": [1, 2.5], \"a\": null}", "x").dump(), "{\"a\":null,\"b\":[1,2.5]}");
  EXPECT_EQ(parse_ordered_json("{\"b\": 1, \"a\": 2}", "x").dump(), "{\"b\":1,\"a\":2}");
}

TEST(Json, ErrorsSayWhere) {
  EXPECT_EQ(error_text([] { parse_json("{\n\"a\": }", "x.json"); }),
            "x.json:2: not valid JSON (byte 7)");
  EXPECT_EQ(error_text([] { parse_ordered_json("", "x.json", "fetch it again"); }),
            "x.json:1: not valid JSON (byte 0); fetch it again");
  EXPECT_EQ(error_text([] { parse_json_line("[1,", "x.jsonl:7", "drop the line"); }),
            "x.jsonl:7: not valid JSON (byte 3); drop the line");
  EXPECT_EQ(error_text([] { parse_json("1e999", "x"); }),
            "x: holds a number beyond a double's range");
}

// What recurses over a tree must not run out of stack, whichever way in was taken.
TEST(Json, DepthIsBounded) {
  const std::string deep = nested(1000000), most = nested(65);
  EXPECT_EQ(error_text([&] { parse_json(deep, "x"); }), "x: nested deeper than 64 levels");
  EXPECT_EQ(error_text([&] { parse_ordered_json(deep, "x", "cut it"); }),
            "x: nested deeper than 64 levels; cut it");
  EXPECT_EQ(error_text([&] { parse_json_line(deep, "x:1"); }), "x:1: nested deeper than 64 levels");
  EXPECT_TRUE(try_parse_json(deep).is_discarded());
  EXPECT_EQ(parse_json(most, "x").dump(), most);
}

TEST(Json, WhatIsNoJsonCanBeAskedFor) {
  EXPECT_TRUE(try_parse_json("{").is_discarded());
  EXPECT_TRUE(try_parse_json("").is_discarded());
  EXPECT_EQ(try_parse_json("[1]").at(0), 1);
}

TEST(Json, IsShownShortAndInAscii) {
  EXPECT_EQ(shown_json("\xC3\xA9"), "\"\\u00e9\"");
  EXPECT_EQ(shown_json(std::string(100, 'x')), "\"" + std::string(39, 'x') + "...");
}

}  // namespace
}  // namespace gpt
