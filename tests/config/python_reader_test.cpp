#include "gpt/config/python_reader.h"

#include <cstdlib>

#include <gtest/gtest.h>

#include "gpt/base/strings.h"

#include "config/python_values.h"
#include "support/temp_dir.h"

namespace gpt {
namespace {

using testing::defaults;
using testing::error_text;
using testing::helpers_of;
using testing::parse;
using testing::short_error_of;
using testing::value_of;

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

TEST(PythonReader, ReadsFiles) {
  const testing::TempDir dir;
  const auto file = dir.write("a.py", "\nbatch_size = 4");
  EXPECT_EQ(read_python_config(file, defaults).helpers.at(0).origin, file.string() + ":2");
  EXPECT_EQ(error_text([&] { read_python_config(dir / "none.py", defaults); }),
            (dir / "none.py").string() + ": cannot read: No such file or directory");
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

}  // namespace
}  // namespace gpt
