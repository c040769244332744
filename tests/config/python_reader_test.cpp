#include "gpt/config/python_reader.h"

#include <cmath>
#include <map>
#include <random>

#include <gtest/gtest.h>

#include "gpt/base/error.h"
#include "gpt/config/json_reader.h"
#include "gpt/config/settings.h"
#include "gpt/config/validate.h"

#include "config/mutation.h"
#include "support/error_text.h"
#include "support/temp_dir.h"

namespace gpt {

namespace {

using namespace std::string_literals;
using testing::error_text;

std::optional<Value> defaults(const std::string& name) {
  static const std::map<std::string, Value> kDefaults = {
      {"max_iters", std::int64_t{600000}}, {"dataset", std::string("owt")}, {"compile", true}};
  const auto known = kDefaults.find(name);
  return known == kDefaults.end() ? std::nullopt : std::optional<Value>(known->second);
}

std::vector<Setting> parse(std::string_view text) {
  return parse_python_config(text, "x.py", defaults);
}

// The value of an expression as Python would print it in a list: an int has no point, a float one.
std::string value_of(const std::string& expression) {
  const Value value = parse("k = " + expression).at(0).value;
  if (const auto* text = std::get_if<std::string>(&value)) return "'" + *text + "'";
  return std::get<std::string>(
      parse_python_config("k = str(v)", "x.py", [&](const auto&) { return value; }).at(0).value);
}

std::string error_of(std::string_view text) {
  return error_text([&] { parse(text); });
}

// Without the list of what is allowed, which ends many errors.
std::string short_error_of(std::string_view text) {
  const std::string error = error_of(text);
  return error.substr(0, error.find("; a config file may hold"));
}

}  // namespace

TEST(PythonReader, AssignmentsKeepOrderTypesAndOrigins) {
  const auto list = parse(
      "\"\"\"doc\nstring\"\"\"\nimport time  # as nanoGPT does\n\nbatch_size = 4; compile = True\n"
      "  # an indented comment\n_half = 0.5\ndropout = _half / 5\nname = (\n  'a'\n\n"
      "'b'  # joined\n)\nlast = \\\n 1\n'another'\n");
  ASSERT_EQ(list.size(), 5u);
  EXPECT_EQ(list[0].key, "batch_size");
  EXPECT_EQ(list[0].value, Value(std::int64_t{4}));
  EXPECT_EQ(list[0].origin, "x.py:5");
  EXPECT_EQ(list[1].value, Value(true));
  EXPECT_EQ(list[2].key, "dropout");
  EXPECT_EQ(list[2].value, Value(0.1));
  EXPECT_EQ(list[2].origin, "x.py:8");
  EXPECT_EQ(list[3].value, Value(std::string("ab")));
  EXPECT_EQ(list[3].origin, "x.py:9");
  EXPECT_EQ(list[4].origin, "x.py:14");
  EXPECT_TRUE(parse("").empty());
  EXPECT_TRUE(parse(" \n\t# only\n").empty());
  EXPECT_EQ(parse("\xEF\xBB\xBF"
                  "a = 1\r\nb = 2\rc = 3")
                .at(2)
                .origin,
            "x.py:3");
}

// The expected texts are repr() of CPython 3.11.
TEST(PythonReader, Numbers) {
  const std::pair<const char*, const char*> kCases[] = {
      {"5 * 8", "40"},
      {"1_000", "1000"},
      {"0x_1F", "31"},
      {"0o17", "15"},
      {"0B101", "5"},
      {"00", "0"},
      {"1e-1", "0.1"},
      {"1.", "1.0"},
      {".5e1", "5.0"},
      {"1_0.0_1", "10.01"},
      {"6e-5", "6e-05"},
      {"1e16", "1e+16"},
      {"123456789012345680.0", "1.2345678901234568e+17"},
      {"0.0001", "0.0001"},
      {"1e22", "1e+22"},
      {"9223372036854775807", "9223372036854775807"},
      {"7 / 2", "3.5"},
      {"4 / 2", "2.0"},
      {"-7 // 2", "-4"},
      {"7 // -2", "-4"},
      {"-7 % 3", "2"},
      {"7 % -3", "-2"},
      {"-6 % 3", "0"},
      {"-7.5 // 2", "-4.0"},
      {"-7.5 % 2", "0.5"},
      {"1 // 0.1", "9.0"},
      {"1e16 // 3.0", "3333333333333333.0"},
      {"1 % 0.1", "0.09999999999999995"},
      {"6.0 % -3", "-0.0"},
      {"2 ** 10", "1024"},
      {"2 ** -1", "0.5"},
      {"-2 ** 2", "-4"},
      {"2 ** 3 ** 2", "512"},
      {"2 ** -2 ** 2", "0.0625"},
      {"(-1) ** 9223372036854775807", "-1"},
      {"0 ** 0", "1"},
      {"(-8.0) ** 3", "-512.0"},
      {"2 ** 0.5", "1.4142135623730951"},
      {"True + True", "2"},
      {"--1", "1"},
      {"-+-1.5", "1.5"},
      {"1 - 2 - 3", "-4"},
      {"2 + 3 * 4", "14"},
      {"(2 + 3) * 4", "20"},
      {"100 / 10 / 5", "2.0"},
      {"0.1 + 0.2", "0.30000000000000004"},
      {"int(-1.9)", "-1"},
      {"int(' +1_2 ')", "12"},
      {"int(True)", "1"},
      {"float(3)", "3.0"},
      {"float(' 1e-3\\n')", "0.001"},
      {"float('-inf') < 0", "True"},
      {"-9223372036854775807 - 1", "-9223372036854775808"},
      {"3 // float('inf')", "0.0"},
      {"-3 // float('inf')", "-1.0"}};
  for (const auto& [expression, expected] : kCases)
    EXPECT_EQ(value_of(expression), expected) << expression;
}

TEST(PythonReader, Logic) {
  const std::pair<const char*, const char*> kCases[] = {
      {"1 < 2", "True"},
      {"2 <= 1", "False"},
      {"1 == 1.0", "True"},
      {"'a' != 'b'", "True"},
      {"'a' < 'b'", "True"},
      {"'1' == 1", "False"},
      {"None == None", "True"},
      {"9007199254740993 == 9007199254740992.0", "False"},
      {"True == 1", "True"},
      {"not 0", "True"},
      {"not 1 == 2", "True"},
      {"0 or 'x'", "'x'"},
      {"2 and 3", "3"},
      {"0 and 1 / 0", "0"},
      {"1 or 1 / 0", "1"},
      {"'' or None or 5", "5"},
      {"1 or 0 and 0", "1"},
      {"1 if True else 1 / 0", "1"},
      {"1 / 0 if '' else 2", "2"},
      {"1 if 0 else 2 if 0 else 3", "3"},
      {"1 + 1 if 1 else 0", "2"},
      {"compile", "True"},
      {"max_iters // 3 if dataset == 'owt' else 7", "200000"}};
  for (const auto& [expression, expected] : kCases)
    EXPECT_EQ(value_of(expression), expected) << expression;
}

TEST(PythonReader, Texts) {
  const std::pair<const char*, std::string> kCases[] = {
      {"'a' \"b\" 'c'", "abc"},
      {"'a' + 'b'", "ab"},
      {"'#;\"' # c", "#;\""},
      {R"('\n\t\\\'\"\a')", "\n\t\\'\"\a"},
      {R"('\x41\101\0z\q')", std::string("AA\0z\\q", 6)},
      {R"('\xe9\u20ac\U0001F600')", "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80"},
      {"'a\\\nb'", "ab"},
      {"'''a\r\n'b''\\''''", "a\n'b'''"},
      {"''", ""},
      {"''''''", ""},
      {"str(1e-5) + str(3) + str(2.0) + str(True) + str(None) + str('x')", "1e-0532.0TrueNonex"}};
  for (const auto& [expression, expected] : kCases)
    EXPECT_EQ(value_of(expression), "'" + expected + "'") << expression;
}

TEST(PythonReader, NamesAndTime) {
  EXPECT_EQ(parse("max_iters = 5\nlr_decay_iters = max_iters").at(1).value, Value(std::int64_t{5}));
  EXPECT_EQ(parse("lr_decay_iters = max_iters").at(0).value, Value(std::int64_t{600000}));
  EXPECT_EQ(parse("_a = 2\n_a = _a * 3\nk = _a").at(0).value, Value(std::int64_t{6}));
  EXPECT_EQ(parse("_n = None\nk = 1 if _n == None else 2").at(0).value, Value(std::int64_t{1}));
  EXPECT_EQ(short_error_of("a = 1\nb = a + c"),
            "x.py:2:9: c: not assigned above and no key of the config");
  EXPECT_EQ(error_of("k = None"),
            "x.py:1:1: k: expected True, False, a number or a text, got None");
  // 2020-01-01 to 2100-01-01, as a float of seconds.
  const auto list =
      parse("import time\nk = time.time()\nwandb_run_name = 'ft-' + str(time.time())");
  EXPECT_GT(std::get<double>(list.at(0).value), 1577836800.0);
  EXPECT_LT(std::get<double>(list.at(0).value), 4102444800.0);
  EXPECT_EQ(std::get<std::string>(list.at(1).value).substr(0, 4), "ft-1");
  EXPECT_EQ(error_of("k = time.time()"),
            "x.py:1:5: time is not imported; write `import time` above");
}

TEST(PythonReader, RefusesWhatPythonWouldRefuse) {
  const std::pair<const char*, const char*> kCases[] = {
      {"k = 1 / 0", "1:7: division by zero"},
      {"k = 1 // 0.0", "1:7: division by zero"},
      {"k = 1 % 0", "1:7: division by zero"},
      {"k = 0 ** -1", "1:7: 0 cannot be raised to a negative power"},
      {"k = (-8) ** 0.5", "1:10: a negative number to a broken power is no real number"},
      {"k = 10.0 ** 400", "1:10: the result does not fit a float"},
      {"k = 9223372036854775807 + 1", "1:25: the result does not fit an integer of 64 bits"},
      {"k = 2 ** 63", "1:7: the result does not fit an integer of 64 bits"},
      {"k = 3 * 4611686018427387904", "1:7: the result does not fit an integer of 64 bits"},
      {"_m = -9223372036854775807 - 1\nk = _m // -1",
       "2:8: the result does not fit an integer of 64 bits"},
      {"_m = -9223372036854775807 - 1\nk = -_m",
       "2:5: the result does not fit an integer of 64 bits"},
      {"k = 9223372036854775808", "1:5: the number does not fit an integer of 64 bits"},
      {"k = 1e999", "1:5: the number does not fit a float"},
      {"k = 'a' + 1", "1:9: cannot use + on str and int"},
      {"k = 'a' * 3", "1:9: cannot use * on str and int"},
      {"k = 1 < 'a'", "1:7: cannot use < on int and str"},
      {"k = -'a'", "1:5: cannot use - on str"},
      {"k = None + 1", "1:10: cannot use + on None and int"},
      {"k = int('1.5')", "1:5: not a number"},
      {"k = int(None)", "1:5: int(None) is no number"},
      {"k = int(1e19)", "1:5: the float does not fit an integer of 64 bits"},
      {"k = int(2.0 ** 63)", "1:5: the float does not fit an integer of 64 bits"},
      {"a = 1\r\nb = 2\rc = $", "3:5: unexpected character '$'"},
      {"k = float('x')", "1:5: not a number"},
      {"k = 007", "1:5: an integer may not begin with 0; octal is 0o17"},
      {"k = 1__0", "1:5: an underscore in a number stands between digits"},
      {"k = 1_", "1:5: an underscore in a number stands between digits"},
      {"k = 1_e5", "1:5: an underscore in a number stands between digits"},
      {"k = 12abc", "1:5: not a number"},
      {"k = 1.2.3", "1:5: not a number"},
      {"k = 0x", "1:5: not a number"},
      {"k = 0x-1", "1:5: not a number"},
      {"k = '\\x4'", "1:6: this escape needs 2 hexadecimal digits"},
      {"k = 'ab\\ud800'", "1:8: this escape is no character of Unicode"},
      {"k = 'abc", "1:5: this string is never closed"},
      {"k = 'abc\nd'", "1:5: this string is never closed"},
      {"k = 'abc\\", "1:5: this string is never closed"},
      {"k = '''abc\n", "1:5: this string is never closed"},
      {"k = (1\n", "1:5: this bracket is never closed"},
      {"k = 1)", "1:6: this bracket closes nothing"},
      {"a = 1\n  b = 2",
       "2:3: unexpected indentation; every statement starts at the line's first "
       "column"},
      {"k = 1 \\ 2", "1:7: a backslash may only stand at a line's end"},
      {"k = $", "1:5: unexpected character '$'"},
      {"k = 1\x01", "1:6: unexpected character 0x01"},
      {"; k = 1", "1:1: expected a statement before ;"},
      {"k = 1 if 2", "1:11: expected 'else', got the end of the statement"},
      {"k = (1 2)", "1:8: expected ')', got a number"}};
  for (const auto& [text, expected] : kCases)
    EXPECT_EQ(short_error_of(text), std::string("x.py:") + expected) << text;
}

TEST(PythonReader, RefusesTheRestOfPython) {
  const std::pair<const char*, const char*> kCases[] = {
      {"print(1)", "1:1: this statement is not read"},
      {"for i in range(3):\n  k = 1", "1:1: this statement is not read"},
      {"if True: k = 1", "1:1: this statement is not read"},
      {"import os", "1:1: this statement is not read"},
      {"from time import time", "1:1: this statement is not read"},
      {"k += 1", "1:1: this statement is not read"},
      {"k: int = 1", "1:1: this statement is not read"},
      {"a, b = 1, 2", "1:1: this statement is not read"},
      {"True = 1", "1:1: this statement is not read"},
      {"__import__('os').system('x')", "1:1: this statement is not read"},
      {"1 + 2", "1:1: expected a statement, got a number"},
      {"'a' + 'b'", "1:5: expected the end of the statement, got '+'"},
      {"a = b = 1", "1:7: expected one '=' in a statement"},
      {"a = 1 = 2", "1:7: expected one '=' in a statement"},
      {"k = 1 < 2 < 3", "1:11: a chain of comparisons is not read"},
      {"k = [1,\n2]", "1:5: expected a value, got '['"},
      {"k = {}", "1:5: expected a value, got '{'"},
      {"k = 1, 2", "1:6: expected the end of the statement, got ','"},
      {"k = ()", "1:6: expected a value, got ')'"},
      {"k =", "1:4: expected a value, got the end of the statement"},
      {"k = lambda: 1", "1:5: expected a value, got 'lambda'"},
      {"k = open('x')", "1:5: a call of open() is not read"},
      {"k = os.system", "1:5: this is not read"},
      {"import time; k = time.sleep(1)", "1:18: this is not read"},
      {"import time; k = time.time(1)", "1:28: expected ')', got a number"},
      {"k = 'a'[0]", "1:8: expected the end of the statement, got '['"},
      {"k = 'a'.upper()", "1:8: expected the end of the statement, got '.'"},
      {"k = 1 in 2", "1:7: expected the end of the statement, got 'in'"},
      {"k = 1 << 2", "1:7: expected the end of the statement, got '<<'"},
      {"k = ~1", "1:5: expected a value, got '~'"},
      {"k = f'{1}'", "1:5: strings with the prefix f are not read"},
      {"k = '\\N{BULLET}'", "1:6: escapes by character name are not read"},
      {"k = 'é' + é", "1:11: only strings and comments may hold characters beyond ASCII"},
      {"# ok\nk = '\xFF'", "2:1: this line is not UTF-8"}};
  for (const auto& [text, expected] : kCases) {
    const std::string place_and_text = std::string("x.py:") + expected;
    EXPECT_EQ(error_of(text).substr(0, place_and_text.size()), place_and_text) << text;
  }
  EXPECT_NE(error_of("print(1)").find("a config file may hold `name = expression`"),
            std::string::npos);
}

TEST(PythonReader, DepthAndLengthHaveBounds) {
  const std::string too_deep = "the expression is more than 200 levels deep; split it";
  EXPECT_NE(error_of("k = " + std::string(10000, '(')).find(too_deep), std::string::npos);
  EXPECT_EQ(value_of(std::string(150, '(') + "1" + std::string(150, ')')), "1");
  EXPECT_NE(error_of("k = " + std::string(10000, '-') + "1").find("too many"), std::string::npos);
  std::string chain, tower, choices, nots;
  for (int i = 0; i < 10000; ++i) {
    chain += "1 + ";
    tower += "1 ** ";
    choices += "1 if 1 else ";
    nots += "not ";
  }
  for (const std::string& text : {chain, tower, choices, nots})
    EXPECT_NE(error_of("k = " + text + "1"), "");
  EXPECT_EQ(value_of(chain.substr(0, 4 * 150) + "1"), "151");
  std::string doubling = "_a = 'aa'\n";
  for (int i = 0; i < 60; ++i) doubling += "_a = _a + _a\n";
  EXPECT_EQ(error_of(doubling), "x.py:17:9: the text is longer than 65536 bytes");
  EXPECT_EQ(error_of(std::string((1 << 20) + 1, '\n')),
            "x.py:1:1: the file has 1048577 bytes; a config has at most 1048576");
}

TEST(PythonReader, ReadsFiles) {
  const testing::TempDir dir;
  const auto file = dir.write("a.py", "\nbatch_size = 4");
  EXPECT_EQ(read_python_config(file, defaults).at(0).origin, file.string() + ":2");
  EXPECT_EQ(error_text([&] { read_python_config(dir / "none.py", defaults); }),
            (dir / "none.py").string() + ": cannot read: No such file or directory");
}

TEST(PythonReader, SurvivesMutations) {
  const std::string seed =
      "import time\nbatch_size = 5 * (8 + 0x1f) // 3\nname = 'ft-' + str(time.time())\n"
      "_x = 1e-3 if not compile else -2 ** 3 % 4 ; k = _x <= 2 and True\n\"\"\"doc\"\"\"\n";
  const std::string bytes = "()'\"\\\n\r\t ;#=+-*/%<>!.,:_0x1eE9aft\0\xFF\xC3"s;
  std::mt19937 random(7);
  int refused = 0;
  for (int round = 0; round < 5000; ++round) {
    const std::string text = testing::mutated(seed, bytes, random);
    try {
      parse(text);
    } catch (const InputError& error) {
      ++refused;
      const std::string what = error.what();
      EXPECT_EQ(what.substr(0, 5), "x.py:") << text;
      for (const char c : what) EXPECT_TRUE(c >= ' ' && c <= '~') << text;
    }
  }
  EXPECT_GT(refused, 3000);
}

namespace {

// A config as the command line would read it from one file, key by key.
std::map<std::string, std::string> load(const std::filesystem::path& file) {
  TrainConfig config;
  Settings settings(options_of(config));
  const auto list =
      file.extension() == ".py"
          ? read_python_config(file, [&](const auto& k) { return settings.current(k); })
          : read_json_config(file);
  for (const Setting& setting : list) settings.assign(setting);
  settings.check_ranges();
  validate(config, settings);
  std::map<std::string, std::string> values;
  for (const Option& option : settings.options()) values[option.key] = value_text(option);
  return values;
}

const std::filesystem::path kConfigs = GPT_SOURCE_DIR "/configs";

}  // namespace

TEST(ShippedConfigs, AllAreRead) {
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(kConfigs)) {
    if (entry.path().filename() == "README.md") continue;
    EXPECT_EQ(error_text([&] { load(entry.path()); }), "");
    ++count;
  }
  EXPECT_GE(count, 11);
}

TEST(ShippedConfigs, BothFormsOfTrainGpt2Agree) {
  const auto python = load(kConfigs / "train_gpt2.py");
  EXPECT_EQ(python, load(kConfigs / "train_gpt2.json"));
  EXPECT_EQ(python.at("gradient_accumulation_steps"), "40");
  EXPECT_EQ(python.at("eval_interval"), "1000");
}

TEST(ShippedConfigs, HoldNanoGptsValues) {
  auto values = load(kConfigs / "train_shakespeare_char.py");
  EXPECT_EQ(values.at("learning_rate"), "0.001");
  EXPECT_EQ(values.at("n_embd"), "384");
  EXPECT_EQ(values.at("beta2"), "0.99");
  EXPECT_EQ(values.at("always_save_checkpoint"), "False");
  values = load(kConfigs / "finetune_shakespeare.py");
  EXPECT_EQ(values.at("gradient_accumulation_steps"), "32");
  EXPECT_EQ(values.at("decay_lr"), "False");
  values = load(kConfigs / "eval_gpt2_xl.py");
  EXPECT_EQ(values.at("eval_iters"), "500");
  EXPECT_EQ(values.at("eval_only"), "True");
}

}  // namespace gpt
