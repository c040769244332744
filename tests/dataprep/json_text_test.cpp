#include "gpt/dataprep/json_text.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "gpt/base/error.h"

#include "support/error_text.h"
#include "support/temp_dir.h"

namespace gpt {
namespace {

using testing::error_text;

std::string text_of(const std::string& line, std::int64_t* lone = nullptr) {
  const RowText row = read_json_text(line, RowPattern::of_key("text"), "a.jsonl:7");
  if (lone) *lone = row.lone_surrogates;
  return row.text;
}

std::string problem(const std::string& line) {
  const std::string error = error_text<InputError>([&] { text_of(line); });
  const std::string start = "a.jsonl:7: expected ";
  return error.starts_with(start) ? error.substr(start.size()) : error;
}

TEST(JsonText, FindsTheKeyAmongOthers) {
  EXPECT_EQ(text_of(R"({"text": "hello"})"), "hello");
  EXPECT_EQ(
      text_of(R"( {"id":1,"meta":{"text":"no","l":[1,{"text":"no"}]},"text":"yes","z":null} )"),
      "yes");
  EXPECT_EQ(text_of("{\"text\":\"\"}\r"), "");
  EXPECT_EQ(text_of(R"({"te\u0078t": "by escape"})"), "by escape");
  EXPECT_EQ(text_of(R"({"text": "first", "text": "last"})"), "last");
  EXPECT_EQ(text_of(R"({"a": -1.5e+10, "b": [true, false, null, NaN, -Infinity], "text": "x"})"),
            "x");
}

TEST(JsonText, DecodesEscapes) {
  EXPECT_EQ(text_of(R"({"text": "\"\\\/\b\f\n\r\t\u00e9\u20AC\ud83d\ude00"})"),
            "\"\\/\b\f\n\r\t\u00e9\u20ac\U0001F600");
  EXPECT_EQ(text_of(R"({"text": "a\u0000b"})"), std::string("a\0b", 3));
  EXPECT_EQ(text_of("{\"text\": \"bytes \xff\xc3\xa9\"}"), "bytes \xff\xc3\xa9");
}

TEST(JsonText, LoneSurrogatesBecomeReplacementsAndAreCounted) {
  std::int64_t lone = 0;
  EXPECT_EQ(text_of(R"({"text": "\ud83d"})", &lone), "\uFFFD");
  EXPECT_EQ(lone, 1);
  EXPECT_EQ(text_of(R"({"text": "\ude00\ud83d\u0041\ud83d\ud83d\ude00"})", &lone),
            "\uFFFD\uFFFDA\uFFFD\U0001F600");
  EXPECT_EQ(lone, 3);
}

TEST(JsonText, SaysWhatIsWrongAndWhere) {
  EXPECT_EQ(problem("[1]"), "a JSON object with a text at key \"text\" (column 1), found '[1]'");
  EXPECT_EQ(
      problem(R"({"txt": "a"})"),
      "a JSON object with a text at key \"text\", found only the keys 'txt'; name another with "
      "--text_key, or several in --text_template");
  EXPECT_EQ(problem(R"({"text": null})"), "a text at key \"text\" (column 10), found 'null}'");
  EXPECT_EQ(problem(R"({"text": "a)"),
            "the string's closing '\"' (column 12), found the end of the line");
  EXPECT_EQ(problem(R"({"text": "a"} {)"),
            "the end of the line after the object (column 15), found '{'");
  EXPECT_EQ(problem("{\"text\": x\ny}"), "a text at key \"text\" (column 10), found 'x y}'");
  EXPECT_EQ(problem("[\n]"), "a JSON object with a text at key \"text\" (column 1), found '[ ]'");
  EXPECT_EQ(problem(R"({"text": "\x"})"), "an escape such as \\n (column 12), found 'x\"}'");
  EXPECT_EQ(problem(R"({"text": "\u12g4"})"),
            "four hex digits after \\u (column 15), found 'g4\"}'");
  EXPECT_EQ(problem("{\"text\": \"a\tb\"}").find("no control characters in a string (column 12)"),
            0u);
  EXPECT_EQ(problem(R"({"a": 01, "text": "x"})").find("',' or '}' (column 8)"), 0u);
  EXPECT_EQ(problem(R"({text: "x"})").find("a name in double quotes (column 2)"), 0u);
  EXPECT_EQ(problem(R"({"a": truth, "text": "x"})").find("a value (column 7), found 'truth"), 0u);
  EXPECT_EQ(problem("{\"a\": " + std::string(300, '[')).find("at most 256 values inside"), 0u);
  EXPECT_EQ(problem(""),
            "a JSON object with a text at key \"text\" (column 1), found the end of the line");
}

// Every cut and many damaged lines: an InputError or a text, and what nlohmann takes we take alike.
TEST(JsonText, AgreesWithAnotherReaderOnDamagedLines) {
  const std::string line =
      R"({"id": [1, 2.5e3, {"a": "\u00e9"}], "text": "a\n\ud83d\ude00 b\"", "z": {"k": null}})";
  constexpr char kOthers[] = "\"\\{}[]:,eu019 \x1f\xc3";  // and the NUL at its end
  std::uint32_t random = 1;
  int taken = 0;
  for (int i = 0; i < 20000; ++i) {
    std::string damaged = line;
    for (int changes = 1 + i % 3; changes > 0; --changes) {
      random = random * 1664525 + 1013904223;
      damaged[(random >> 8) % damaged.size()] = kOthers[(random >> 20) % sizeof kOthers];
    }
    const auto parsed = nlohmann::json::parse(damaged, nullptr, false);
    const bool fits = parsed.is_object() && parsed.contains("text") && parsed["text"].is_string();
    std::string text;
    bool ours = true;
    try {
      text = text_of(damaged);
    } catch (const InputError&) {
      ours = false;
    }
    // nlohmann refuses ill-formed UTF-8 and lone surrogates, which we leave or replace.
    ASSERT_TRUE(ours || !fits) << damaged;
    ASSERT_TRUE(!fits || text == parsed["text"].get<std::string>()) << damaged;
    const bool lenient =
        damaged.find('\xc3') != std::string::npos || damaged.find("\\u") != std::string::npos;
    ASSERT_TRUE(!ours || fits || lenient) << damaged;
    taken += fits;
  }
  EXPECT_GT(taken, 1000);
  for (std::size_t cut = 0; cut < line.size(); ++cut)
    EXPECT_NE(problem(line.substr(0, cut)), "") << cut;
}

}  // namespace
}  // namespace gpt
