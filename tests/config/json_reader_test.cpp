#include "gpt/config/json_reader.h"

#include <random>

#include <gtest/gtest.h>

#include "gpt/base/error.h"

#include "config/mutation.h"
#include "support/error_text.h"
#include "support/temp_dir.h"

namespace gpt {

namespace {

using namespace std::string_literals;
using testing::error_text;

std::string error_of(std::string_view text) {
  return error_text([&] { parse_json_config(text, "x.json"); });
}

Value value_of(const std::string& literal) {
  const auto list = parse_json_config("{\"k\": " + literal + "}", "x.json");
  return list.at(0).value;
}

}  // namespace

TEST(JsonReader, KeepsOrderTypesAndOrigins) {
  const auto list = parse_json_config(
      "{\n  \"batch_size\": 4,\n  \"compile\": false, \"min_lr\":\n    1e-4,\n"
      "  \"dataset\": \"a\\u00e9\\n\"\n}\n",
      "x.json");
  ASSERT_EQ(list.size(), 4u);
  EXPECT_EQ(list[0].key, "batch_size");
  EXPECT_EQ(list[0].value, Value(std::int64_t{4}));
  EXPECT_EQ(list[0].origin, "x.json:2");
  EXPECT_EQ(list[1].value, Value(false));
  EXPECT_EQ(list[1].origin, "x.json:3");
  EXPECT_EQ(list[2].value, Value(1e-4));
  EXPECT_EQ(list[2].origin, "x.json:3");  // the key's line, not the value's
  EXPECT_EQ(list[3].value, Value(std::string("a\xC3\xA9\n")));
  EXPECT_EQ(list[3].origin, "x.json:5");
  EXPECT_TRUE(parse_json_config("{}", "x.json").empty());
}

TEST(JsonReader, NumbersAreExact) {
  EXPECT_EQ(value_of("9223372036854775807"), Value(INT64_MAX));
  EXPECT_EQ(value_of("-9223372036854775808"), Value(INT64_MIN));
  EXPECT_EQ(value_of("1.0"), Value(1.0));
  EXPECT_EQ(value_of("1E2"), Value(100.0));
  EXPECT_EQ(value_of("-0.0"), Value(-0.0));
  EXPECT_EQ(value_of("0.1"), Value(0.1));
  EXPECT_EQ(value_of("5e-324"), Value(5e-324));
  EXPECT_EQ(value_of("0.30000000000000004"), Value(0.1 + 0.2));
  EXPECT_EQ(value_of("9007199254740993.0"), Value(9007199254740992.0));
  const std::string beyond =
      "x.json:1: k: expected an integer of at most 64 bits; a float is written with a point";
  for (const char* number : {"9223372036854775808", "-9223372036854775809", "18446744073709551616"})
    EXPECT_EQ(error_of(std::string("{\"k\": ") + number + "}"), beyond) << number;
  EXPECT_EQ(error_of("{\"k\": 1e999}"), "x.json:1: k: expected a number that fits a double");
}

TEST(JsonReader, SectionsAreFlattened) {
  const auto list = parse_json_config(
      "{\"data\": {\n\"batch_size\": 4},\n\"model\": {}, \"seed\": 1,\n\"system\": {\"device\": "
      "\"cpu\"}}",
      "x.json");
  ASSERT_EQ(list.size(), 3u);
  EXPECT_EQ(list[0].key, "batch_size");
  EXPECT_EQ(list[0].origin, "x.json:2");
  EXPECT_EQ(list[1].key, "seed");
  EXPECT_EQ(list[2].key, "device");
  for (const std::string section :
       {"io", "data", "model", "optimizer", "schedule", "memory", "system", "sample", "prepare"})
    EXPECT_EQ(parse_json_config("{\"" + section + "\": {\"k\": 1}}", "x").size(), 1u) << section;
  EXPECT_EQ(error_of("{\n\"foo\": {\"a\": 1}}"),
            "x.json:2: foo: expected a value, got an object; only sections may be objects: io, "
            "data, model, optimizer, schedule, memory, system, sample, prepare");
  EXPECT_EQ(error_of("{\"data\": {\n\"model\": {}}}"),
            "x.json:2: model: expected true, false, a number or a text, got an object");
}

TEST(JsonReader, RefusesWhatIsNoValue) {
  EXPECT_EQ(parse_json_config("{\"k\": null}", "x.json").at(0).value, Value(std::monostate{}));
  EXPECT_EQ(error_of("{\"k\": [1]}"),
            "x.json:1: k: expected true, false, a number or a text, got an array");
  EXPECT_EQ(error_of("{\n\"a\\nb\": 1}"),
            "x.json:2: expected a key of letters, digits and underscores; --help lists all keys");
}

TEST(JsonReader, RefusesDuplicates) {
  EXPECT_EQ(error_of("{\n\"k\": 1,\n\"j\": 2,\n\"k\": 1\n}"),
            "x.json:4: k: given twice, first in line 2; remove one of them");
  EXPECT_EQ(error_of("{\n\"k\": 1,\n\"data\": {\n\"k\": 1}}"),
            "x.json:4: k: given twice, first in line 2; remove one of them");
  EXPECT_EQ(error_of("{\"data\": {},\n\"data\": {}}"),
            "x.json:2: data: given twice, first in line 1; remove one of them");
}

TEST(JsonReader, RefusesWhatIsNoObject) {
  const std::string expected = "x.json:1: expected an object, {\"key\": value, ...}, got ";
  EXPECT_EQ(error_of("[1]"), expected + "an array");
  EXPECT_EQ(error_of("null"), expected + "null");
  EXPECT_EQ(error_of("3"), expected + "a single value");
  EXPECT_EQ(error_of("1e999"), expected + "a number");
  EXPECT_EQ(error_of(std::string(100000, '[')), expected + "an array");
  for (const char* text : {"", " \n\t\n"})
    EXPECT_EQ(error_of(text),
              "x.json:1: the file is empty; expected an object, {\"key\": value, ...}");
}

TEST(JsonReader, SyntaxErrorsSayWhere) {
  EXPECT_EQ(error_of("{\n  \"a\": tru\n}"),
            "x.json:2:11: syntax error while parsing value - invalid literal");
  EXPECT_EQ(error_of("{\"a\": 1 \"b\": 2}").substr(0, 12), "x.json:1:11:");
  EXPECT_EQ(error_of("{\"a\": 1,\n}").substr(0, 11), "x.json:2:1:");
  EXPECT_EQ(error_of("{\"a\": 1").substr(0, 11), "x.json:1:8:");
  EXPECT_EQ(error_of("{} x").substr(0, 11), "x.json:1:4:");
  const std::string bytes = error_of("{\"a\": \"\xFF\x01\x1B[31m\"}");
  EXPECT_EQ(bytes.substr(0, 11), "x.json:1:8:");
  for (const char c : bytes) EXPECT_TRUE(c >= ' ' && c <= '~') << bytes;
}

TEST(JsonReader, ReadsFiles) {
  const testing::TempDir dir;
  const auto file = dir.write("a.json", "{\n\"batch_size\": 4}");
  EXPECT_EQ(read_json_config(file).at(0).origin, file.string() + ":2");
  EXPECT_EQ(error_text([&] { read_json_config(dir / "none.json"); }),
            (dir / "none.json").string() + ": cannot read: No such file or directory");
  EXPECT_EQ(error_text([&] { read_json_config(dir.path()); }),
            dir.path().string() + ": cannot read: Is a directory");
}

TEST(JsonReader, SurvivesMutations) {
  const std::string seed =
      "{\"batch_size\": 4, \"data\": {\"dataset\": \"a\\u00e9\", \"x\": -1.5e-3},\n \"k\": true}";
  const std::string bytes =
      "{}[]\":,\\\n\0\xFF"
      "019.e-+ntfu"s;
  std::mt19937 random(7);
  int refused = 0;
  for (int round = 0; round < 5000; ++round) {
    const std::string text = testing::mutated(seed, bytes, random);
    try {
      parse_json_config(text, "x.json");
    } catch (const InputError& error) {
      ++refused;
      EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << text;
    }
  }
  EXPECT_GT(refused, 3000);
}

}  // namespace gpt
