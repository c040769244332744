#include "gpt/config/python_reader.h"

#include <cmath>
#include <map>
#include <random>
#include <set>

#include <gtest/gtest.h>

#include "gpt/base/error.h"
#include "gpt/base/strings.h"
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

// Knows more keys, so that the values of names can be looked at.
std::vector<Setting> parse(std::string_view text) {
  static const std::set<std::string> kMore = {"a", "b",    "c",    "d",          "e",      "k",
                                              "n", "name", "last", "batch_size", "dropout"};
  const Lookup more = [](const std::string& name) {
    const auto known = defaults(name);
    return known || !kMore.contains(name) ? known : Value(std::string("not assigned"));
  };
  return parse_python_config(text, "x.py", more).settings;
}

// The value of an expression as Python would print it in a list: an int has no point, a float one.
std::string value_of(const std::string& expression) {
  const Value value = parse("k = " + expression).at(0).value;
  if (const auto* text = std::get_if<std::string>(&value)) return "'" + *text + "'";
  return std::get<std::string>(parse_python_config("k = str(v)", "x.py",
                                                   [&](const auto& name) {
                                                     return name == "str" ? std::nullopt
                                                                          : std::optional(value);
                                                   })
                                   .settings.at(0)
                                   .value);
}

std::string error_of(std::string_view text) {
  return error_text([&] { parse(text); });
}

// Without the way out, which ends many errors.
std::string short_error_of(std::string_view text) {
  const std::string error = error_of(text);
  return error.substr(0, error.find(", or let a Python"));
}

// What the file leaves under a name that is no key.
std::vector<std::string> helpers_of(const std::string& text, bool read) {
  std::vector<std::string> names;
  for (const HelperName& helper : parse_python_config(text, "x.py", defaults).helpers)
    if (helper.read == read) names.push_back(helper.name);
  return names;
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
      {"1 < 2 < 3", "True"},
      {"1 < 2 > 3", "False"},
      {"3 < 2 < 1 / 0", "False"},
      {"'a' in 'cat'", "True"},
      {"4 not in (1, 2)", "True"},
      {"'k' in {'k': 1}", "True"},
      {"None is None", "True"},
      {"1 is not None", "True"},
      {"(1, 2) < (1, 3)", "True"},
      {"[1] == [1.0]", "True"},
      {"not []", "True"},
      {"(1 / 0 if 0 else 2) if 1 else 1 / 0", "2"},
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

TEST(PythonReader, FormatStrings) {
  const std::pair<const char*, const char*> kCases[] = {
      {"f'a{1 + 1}b'", "a2b"},
      {"f'{dataset}-{max_iters}' 'x' f'{2.0}'", "owt-600000x2.0"},
      {"f'{{{1}}}'", "{1}"},
      {"f'{6e-4:.1e}'", "6.0e-04"},
      {"f'{1234567:,}'", "1,234,567"},
      {"f'{7:03d}|{-7:03d}|{7:<3}|{7:>3}|{7:^3}|{7:+}'", "007|-07|7  |  7| 7 |+7"},
      {"f'{0.25:.1%} {1e-4:g} {3.14159:.2f} {2.0:.3}'", "25.0% 0.0001 3.14 2.0"},
      {"f'{\"ab\":>4}{\"ab\":*<4}'", "  abab**"},
      {"fr'\\{1}'", "\\1"},
      {"f'\\n{1}\\u00e9'", "\n1\xC3\xA9"},
      {"f'{255:x} {1e3:.0f}'", "ff 1000"},
      {"'%d-%s-%.2f%%' % (3, 'x', 1.5)", "3-x-1.50%"},
      {"'%05.1f|%-4d|%4s|%d' % (2.25, 7, 'ab', 9.9)", "002.2|7   |  ab|9"},
      {"'lr%g' % 6e-4", "lr0.0006"}};
  for (const auto& [expression, expected] : kCases)
    EXPECT_EQ(value_of(expression), std::string("'") + expected + "'") << expression;
}

TEST(PythonReader, Functions) {
  const std::pair<const char*, const char*> kCases[] = {
      {"max(1, min(3, 10))", "3"},
      {"max([1, 5, 2])", "5"},
      {"round(0.5)", "0"},
      {"round(1.5)", "2"},
      {"round(2.675, 2)", "2.67"},
      {"round(7)", "7"},
      {"abs(-3)", "3"},
      {"abs(-2.5)", "2.5"},
      {"len('h\xC3\xA9')", "2"},
      {"len([1, 2])", "2"},
      {"len({'a': 1})", "1"},
      {"len(range(0, 10, 3))", "4"},
      {"range(5)[-1]", "4"},
      {"sum(range(5))", "10"},
      {"sum([0.5, 1])", "1.5"},
      {"bool('')", "False"},
      {"int(64 / 4)", "16"},
      {"math.sqrt(16)", "4.0"},
      {"math.ceil(2.1)", "3"},
      {"math.floor(-2.1)", "-3"},
      {"np.log2(8)", "3.0"},
      {"int(math.pi)", "3"},
      {"{'a': 1, 'b': 2}['b']", "2"},
      {"{'a': 1}.get('c', 7)", "7"},
      {"dict(a=1, b=(2, 3))['b'][0]", "2"},
      {"os.path.join('a', 'b')", "'a/b'"},
      {"os.environ.get('NO_SUCH_NAME_HERE', 'x')", "'x'"},
      {"torch.cuda.device_count()", "0"},
      {"'bfloat16' if torch.cuda.is_available() else 'float32'", "'float32'"}};
  for (const auto& [expression, expected] : kCases)
    EXPECT_EQ(value_of(expression), expected) << expression;
  setenv("GPTTRAIN_TEST_NAME", "here", 1);
  EXPECT_EQ(value_of("os.environ['GPTTRAIN_TEST_NAME'] + os.getenv('GPTTRAIN_TEST_NAME')"),
            "'herehere'");
  unsetenv("GPTTRAIN_TEST_NAME");
}

TEST(PythonReader, AsksTheMachineOnlyWhereTheFileDoes) {
  int asked = 0;
  set_python_machine([&asked] {
    ++asked;
    return PythonMachine{.cuda_devices = 2, .cuda_bf16 = true};
  });
  EXPECT_EQ(value_of("1"), "1");
  EXPECT_EQ(asked, 0);
  EXPECT_EQ(value_of("torch.cuda.device_count()"), "2");
  EXPECT_EQ(value_of("torch.cuda.is_available() and torch.cuda.is_bf16_supported()"), "True");
  EXPECT_EQ(asked, 3);
  set_python_machine({});
}

TEST(PythonReader, AssignmentsOfEveryForm) {
  const auto last = [](const std::string& text) {
    const auto list = parse(text);
    std::string all;
    for (const Setting& setting : list)
      all += concat(setting.key, "=", std::get<std::int64_t>(setting.value), " ");
    return all;
  };
  EXPECT_EQ(last("a, b = 1, 2"), "a=1 b=2 ");
  EXPECT_EQ(last("a = b = 3"), "a=3 b=3 ");
  EXPECT_EQ(last("(a, [b, c]), d = (1, (2, 3)), 4"), "a=1 b=2 c=3 d=4 ");
  EXPECT_EQ(last("a, b = b, a = 1, 2"), "a=1 b=2 b=1 a=2 ");
  EXPECT_EQ(last("a = 2\na += 3\na *= 4\na //= 3\na **= 2\na -= 1\na %= 7"),
            "a=2 a=5 a=20 a=6 a=36 a=35 a=0 ");
  EXPECT_EQ(last("a: int = 5\nb: 'x'"), "a=5 ");
  EXPECT_EQ(last("import time, os.path as p; from math import (floor as f,\n ceil)\na = f(2.5)"),
            "a=2 ");
  EXPECT_EQ(last("if 0:\n  a = 1 / 0\nelif 1:\n  a = 2\n  if a == 2: b = 3; c = 4\nelse:\n\ta = 5\n"
                 "d = 6"),
            "a=2 b=3 c=4 d=6 ");
  EXPECT_EQ(last("if __name__ == '__main__':\n  a = 1\nelse: a = no_such_name"), "a=1 ");
  EXPECT_EQ(last("pass\n1 + 2\n...\nprint('x', 1)\na = 1"), "a=1 ");
}

TEST(PythonReader, NamesAndTime) {
  EXPECT_EQ(parse("max_iters = 5\na = max_iters").at(1).value, Value(std::int64_t{5}));
  EXPECT_EQ(parse("a = max_iters").at(0).value, Value(std::int64_t{600000}));
  EXPECT_EQ(parse("_a = 2\n_a = _a * 3\nk = _a").at(0).value, Value(std::int64_t{6}));
  EXPECT_EQ(parse("_n = None\nk = 1 if _n == None else 2").at(0).value, Value(std::int64_t{1}));
  EXPECT_EQ(short_error_of("a = 1\nb = a + no_name"),
            "x.py:2:9: no_name: not assigned above and no key of the config");
  EXPECT_EQ(parse("k = None").at(0).value, Value(std::monostate{}));
  // 2020-01-01 to 2100-01-01, as a float of seconds.
  const auto list = parse("import time\nk = time.time()\nn = 'ft-' + str(time.time())");
  EXPECT_GT(std::get<double>(list.at(0).value), 1577836800.0);
  EXPECT_LT(std::get<double>(list.at(0).value), 4102444800.0);
  EXPECT_EQ(std::get<std::string>(list.at(1).value).substr(0, 4), "ft-1");
  EXPECT_EQ(value_of("time.strftime('%Y')").size(), 6u);  // train.py has imported it
}

TEST(PythonReader, HelpersAreThoseThatAreNoKeys) {
  const std::string text =
      "max_iters = 3\ntokens = 64\n_mine = 1\nunused = {'a': [1, 2]}\nblock = tokens // 4\n"
      "if block: inner = block\nelse: inner = skipped\n";
  EXPECT_EQ(helpers_of(text, true), (std::vector<std::string>{"tokens", "block"}));
  EXPECT_EQ(helpers_of(text, false), (std::vector<std::string>{"unused", "inner"}));
  EXPECT_EQ(parse_python_config(text, "x.py", defaults).helpers.at(1).origin, "x.py:4");
}

TEST(PythonReader, RefusesWhatPythonWouldRefuse) {
  const std::pair<const char*, const char*> kCases[] = {
      {"k = 1 / 0", "1:7: division by zero"},
      {"k = 1 // 0.0", "1:7: division by zero"},
      {"k = 1 % 0", "1:7: division by zero"},
      {"k = 0 ** -1", "1:7: 0 cannot be raised to a negative power"},
      {"k = (-8) ** 0.5", "1:10: a negative number to a broken power is no real number"},
      {"k = 10.0 ** 400", "1:10: the result does not fit a float"},
      {"k = 9223372036854775807 + 1",
       "1:25: the result does not fit an integer of 64 bits; write a float, such as 1e20"},
      {"k = 2 ** 63",
       "1:7: the result does not fit an integer of 64 bits; write a float, such as 1e20"},
      {"_m = -9223372036854775807 - 1\nk = -_m",
       "2:5: the result does not fit an integer of 64 bits; write a float, such as 1e20"},
      {"k = 9223372036854775808", "1:5: the number does not fit an integer of 64 bits"},
      {"k = 1e999", "1:5: the number does not fit a float"},
      {"k = 'a' + 1", "1:9: cannot use + on str and int"},
      {"k = 'a' * 3", "1:9: cannot use * on str and int"},
      {"k = 1 < [2]", "1:7: cannot use < on int and list"},
      {"a, b = 1, 2, 3", "1:1: expected 2 values, found 3"},
      {"a, b = 5", "1:1: expected a list or a tuple, found int"},
      {"k = [1][1]", "1:8: expected an index from -1 to 0, found 1"},
      {"k = {'a': 1}['b']", "1:13: the dict has no key b"},
      {"k = {1: 2, 1: 3}", "1:12: this key is given twice; leave one of them out"},
      {"k = max([])", "1:5: expected at least one value"},
      {"k = math.log(0)", "1:10: the result is no finite number"},
      {"k = f'{1'", "1:8: this { is never closed; write {{ for the character"},
      {"k = f'}'", "1:7: this } closes nothing; write }} for the character"},
      {"k = '%d' % (1, 2)", "1:10: this text has fewer % conversions than values"},
      {"k = '%d %d' % 1", "1:13: this text has more % conversions than values"},
      {"k = os.environ['NO_SUCH_NAME_HERE']",
       "1:15: NO_SUCH_NAME_HERE is not set in the environment; set it, or write "
       "os.environ.get(name, default)"},
      {"if 1:\na = 1", "2:1: expected an indented line"},
      {"if 1:\n    a = 1\n  b = 2", "3:3: this indentation fits no line above"},
      {"else: a = 1", "1:1: this 'else' belongs to no 'if'"},
      {"k = 1 < 'a'", "1:7: cannot use < on int and str"},
      {"k = -'a'", "1:5: cannot use - on str"},
      {"k = None + 1", "1:10: cannot use + on None and int"},
      {"k = int('1.5')", "1:5: not a number"},
      {"k = int(None)", "1:5: expected an integer, found None"},
      {"k = int(1e19)", "1:5: the float does not fit an integer of 64 bits"},
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
      {"a = 1\n  b = 2", "2:3: unexpected indentation; this line belongs to no 'if' above it"},
      {"k = 1 \\ 2", "1:7: a backslash may only stand at a line's end"},
      {"k = $", "1:5: unexpected character '$'"},
      {"k = 1\x01", "1:6: unexpected character 0x01"},
      {"; k = 1", "1:1: expected a statement before ;"},
      {"k = 1 if 2", "1:11: expected 'else', got the end of the line"},
      {"k = (1 2)", "1:8: expected ')', got a number"}};
  for (const auto& [text, expected] : kCases)
    EXPECT_EQ(short_error_of(text), std::string("x.py:") + expected) << text;
}

TEST(PythonReader, RefusesTheRestOfPythonAndSaysWhatToWrite) {
  const std::pair<const char*, const char*> kCases[] = {
      {"for i in range(3):\n  k = 1", "1:1: a loop is not read; write out what it leaves"},
      {"while True: pass", "1:1: a loop is not read; write out what it leaves"},
      {"def f(): pass", "1:1: functions and classes are not read; write their results"},
      {"with open('x') as f: pass", "1:1: 'with' is not read; leave it out"},
      {"from base import *", "1:1: names of another file are not read; give that file before"},
      {"from base import max_iters", "1:1: names of another file are not read"},
      {"exec(open('base.py').read())", "1:6: other files are not opened; give the config that"},
      {"__import__('os').system('x')", "1:1: a call of __import__() is not read"},
      {"True = 1", "1:1: expected a name, got 'True'"},
      {"a = 1 = 2", "1:5: expected a name, got a number"},
      {"a.b = 1", "1:1: only names are assigned here"},
      {"a['x'] = 1", "1:1: only names are assigned here"},
      {"a, *b = 1, 2", "1:4: '*' before a name is not read"},
      {"_l = [1]\n_l += [2]", "2:4: a list is not changed in place; write name = name + [...]"},
      {"k = [i for i in range(3)]", "1:8: a comprehension is not read; write its values"},
      {"k = {1, 2}", "1:7: a set is not read; write a list"},
      {"k =", "1:4: expected a value, got the end of the line"},
      {"k = lambda: 1", "1:5: a function of the file's own is not read"},
      {"k = (n := 1)", "1:8: ':=' is not read; assign the name in a line of its own"},
      {"k = open('x')", "1:5: other files are not opened"},
      {"k = os.system('x')", "1:8: a call of os.system() is not read; write its result"},
      {"k = torch.bfloat16",
       "1:1: k: expected True, False, a number or a text, got "
       "torch.bfloat16; write it as a text: 'bfloat16'"},
      {"k = [1, 2]", "1:1: k: expected True, False, a number or a text, got a list; name one"},
      {"k = 1 if torch.backends.x else 2", "1:10: what torch.backends.x is on this machine is"},
      {"k = 'abc'[0:1]", "1:12: slices are not read"},
      {"k = 'a'.upper()", "1:8: what str.upper is, is not known here; write its value"},
      {"k = 1 << 2", "1:7: expected the end of the line, got '<<'"},
      {"k = str([1])", "1:5: a list is not written as text; write its items"},
      {"k = f'{1!r}'", "1:8: '!' and a { in a format are not read"},
      {"k = round(1, ndigits=2)", "1:5: 'ndigits=' in a call of round() is not read"},
      {"k = b'1'", "1:5: strings with the prefix b are not read"},
      {"k = '\\N{BULLET}'", "1:6: escapes by character name are not read"},
      {"k = 'é' + é", "1:11: only strings and comments may hold characters beyond ASCII"},
      {"# ok\nk = '\xFF'", "2:1: this line is not UTF-8"}};
  for (const auto& [text, expected] : kCases) {
    const std::string place_and_text = std::string("x.py:") + expected;
    EXPECT_EQ(error_of(text).substr(0, place_and_text.size()), place_and_text) << text;
  }
  EXPECT_NE(error_of("for i in 'ab': pass").find("--config_python=python3"), std::string::npos);
}

TEST(PythonReader, DepthAndLengthHaveBounds) {
  const std::string too_deep = "this is more than 64 levels deep; split it";
  EXPECT_NE(error_of("k = " + std::string(10000, '(')).find("never closed"), std::string::npos);
  EXPECT_NE(
      error_of("k = " + std::string(10000, '(') + "1" + std::string(10000, ')')).find(too_deep),
      std::string::npos);
  EXPECT_EQ(value_of(std::string(50, '(') + "1" + std::string(50, ')')), "1");
  std::string chain, tower, choices, nots, ifs;
  for (int i = 0; i < 10000; ++i) {
    chain += "1 + ";
    tower += "1 ** ";
    choices += "1 if 1 else ";
    nots += "not ";
    ifs += std::string(static_cast<std::size_t>(i % 100), ' ') + "if 1:\n";
  }
  EXPECT_EQ(value_of(chain + "1"), "10001");
  for (const std::string& text : {"k = " + tower + "1", "k = " + choices + "1", "k = " + nots + "1",
                                  "k = " + std::string(10000, '-') + "1", ifs})
    EXPECT_NE(error_of(text), "");
  std::string doubling = "_a = 'aa'\n", nested = "_a = [1]\n";
  for (int i = 0; i < 60; ++i) {
    doubling += "_a = _a + _a\n";
    nested += "_a = [_a, _a]\n";
  }
  EXPECT_NE(error_of(doubling).find("more than 64 MiB of values"), std::string::npos);
  EXPECT_NE(error_of(nested), "");
  std::string wide = "_a = '" + std::string(60000, 'x') + "'\n";
  for (int i = 0; i < 100000; ++i) wide += "_b=_a\n";
  EXPECT_NE(error_of(wide).find("more than 64 MiB of values"), std::string::npos);
  EXPECT_EQ(error_of("k = f'{1:9999}'"), "x.py:1:8: a width in a format is at most 1000");
  EXPECT_EQ(error_of(std::string((1 << 20) + 1, '\n')),
            "x.py:1:1: the file has 1048577 bytes; a config has at most 1048576");
}

// run_python_config asks a real Python: both must find the same in every file.
TEST(PythonReader, AgreesWithPython) {
  const testing::TempDir dir;
  const std::string python = "/usr/bin/python3";
  if (!std::filesystem::exists(python)) GTEST_SKIP() << "there is no " << python;
  const char* const kFiles[] = {
      "import os, time\nfrom math import sqrt as s, ceil\nmax_iters = int(s(16)) + ceil(1.2)\n"
      "dataset = f'{max_iters:04d}' + os.path.join('a', 'b') + '%5.2e|%-6s|' % (6e-4, 'x')\n",
      "a, (b, c) = d = 1, (2, 3)\nmax_iters = a + b * c ** 2 - d[0]\nmax_iters //= 3\n"
      "compile = 1 < a <= 2 or not b != 3\nx = [1, 'a', None][-2] in {'a': 1}\n",
      "if compile and max_iters > 3:\n    max_iters = 7\n    if dataset == 'owt':\n        dataset "
      "= "
      "'inner'\n    else:\n        y = 1\nelif max_iters: dataset = 'e'\nelse:\n  dataset = 'f'\n",
      "max_iters = max(1, min(3, 10)) if compile else 1 / 0\n"
      "max_iters = max_iters + round(2.5) + len('é') + sum(range(4))\n"
      "dataset = str(1e16) + str(-0.0) + str(2 ** -1074) + f'{1e5:,} {0.1 + 0.2} {1 / 3:.17g}'\n",
      "dataset = f'{123456789.123:.3} {5:+} {-5: d} {0.00001} {1e22:g} {12345:>10,} {7:^9}|'\n"
      "max_iters = -7 // 2 * -7 % 3 + 0b11 + 1_0 - -2 ** 2\n"};
  for (const char* text : kFiles) {
    const auto file = dir.write("x.py", text);
    const PythonConfig own = parse_python_config(text, "x.py", defaults);
    const PythonConfig theirs =
        run_python_config(file, python, {"max_iters", "dataset", "compile"}, defaults);
    std::map<std::string, Value> ours;
    for (const Setting& setting : own.settings) ours[setting.key] = setting.value;
    for (const Setting& setting : theirs.settings)
      EXPECT_EQ(ours[setting.key], setting.value) << setting.key << " in " << text;
    EXPECT_EQ(ours.size(), theirs.settings.size()) << text;
  }
}

TEST(PythonReader, APythonOfTheUsersRunsTheFile) {
  const testing::TempDir dir;
  const std::string python = "/usr/bin/python3";
  if (!std::filesystem::exists(python)) GTEST_SKIP() << "there is no " << python;
  const auto file = dir.write("x.py",
                              "print('to stderr')\nfor i in range(3):\n    max_iters = i\n"
                              "helper = [i for i in range(3)]\nunread = 1\ncompile = helper == []\n"
                              "def f(): pass\n");
  const auto run = [&] {
    return run_python_config(file, python, {"max_iters", "dataset", "compile"}, defaults);
  };
  const PythonConfig config = run();
  std::map<std::string, Value> values;
  for (const Setting& setting : config.settings) values[setting.key] = setting.value;
  EXPECT_EQ(values.at("max_iters"), Value(std::int64_t{2}));
  EXPECT_EQ(values.at("compile"), Value(false));
  for (const Setting& setting : config.settings)
    EXPECT_EQ(setting.origin, file.string() + (setting.key == "compile" ? ":6" : ":3"));
  std::map<std::string, bool> read;
  for (const HelperName& helper : config.helpers) read[helper.name] = helper.read;
  EXPECT_FALSE(read.at("unread"));
  EXPECT_TRUE(read.at("helper"));
  dir.write("x.py", "import no_such_module\n");
  EXPECT_NE(error_text<InputError>(run).find("No module named 'no_such_module'"),
            std::string::npos);
  dir.write("x.py", "max_iters = [1]\n");
  EXPECT_EQ(error_text<InputError>(run),
            file.string() + ":1: max_iters: expected True, False, a number or a text, got a list");
  EXPECT_NE(error_text<InputError>([&] {
              run_python_config(file, "no-such-python", {}, defaults);
            }).find("there is no program no-such-python"),
            std::string::npos);
}

TEST(PythonReader, LiteralsAreTextsInQuotesAndNothingElse) {
  EXPECT_EQ(python_literal("'a b'"), "a b");
  EXPECT_EQ(python_literal("\"it's\""), "it's");
  EXPECT_EQ(python_literal("'a\\nb'"), "a\nb");
  EXPECT_EQ(python_literal("''"), "");
  for (const char* text : {"", "'", "a", "'a", "'a' 'b'", "\"Nine,\" she said", "'a'b'", "f'x'",
                           "'a' "
                           "+ 1"})
    EXPECT_FALSE(python_literal(text)) << text;
}

TEST(PythonReader, ReadsFiles) {
  const testing::TempDir dir;
  const auto file = dir.write("a.py", "\nbatch_size = 4");
  EXPECT_EQ(read_python_config(file, defaults).helpers.at(0).origin, file.string() + ":2");
  EXPECT_EQ(error_text([&] { read_python_config(dir / "none.py", defaults); }),
            (dir / "none.py").string() + ": cannot read: No such file or directory");
}

TEST(PythonReader, SurvivesMutations) {
  const std::string seed =
      "import time\nb = 5 * (8 + 0x1f) // 3\nname = f'ft-{b:>4}' + str(time.time())\n"
      "_x = 1e-3 if not compile else -2 ** 3 % 4 ; k = _x <= 2 and True\n\"\"\"doc\"\"\"\n"
      "if b > 1:\n  c, d = e = [1, (2,)]\nelse: b += max({'a': 1}['a'], 2)\n";
  const std::string bytes = "()[]{}'\"\\\n\r\t ;#=+-*/%<>!.,:_0x1eE9aft\0\xFF\xC3"s;
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
      for (const char c : what) EXPECT_TRUE(c >= ' ' && c <= '~') << text << what;
    }
  }
  EXPECT_GT(refused, 2500);
}

namespace {

// A config as the command line would read it from one file, key by key.
std::map<std::string, std::string> load(const std::filesystem::path& file) {
  TrainConfig config;
  Settings settings(options_of(config));
  const auto list =
      file.extension() == ".py"
          ? read_python_config(file, [&](const auto& k) { return settings.current(k); }).settings
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
