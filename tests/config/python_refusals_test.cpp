#include <random>

#include <gtest/gtest.h>

#include "gpt/base/error.h"
#include "gpt/config/python_reader.h"

#include "config/mutation.h"
#include "config/python_values.h"

namespace gpt {
namespace {

using namespace std::string_literals;
using testing::error_of;
using testing::parse;
using testing::short_error_of;
using testing::value_of;

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
      {"k = float('x')", "1:5: not a number"}};
  for (const auto& [text, expected] : kCases)
    EXPECT_EQ(short_error_of(text), std::string("x.py:") + expected) << text;
}

TEST(PythonReader, RefusesWhatIsSpeltWrongly) {
  const std::pair<const char*, const char*> kCases[] = {
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

}  // namespace
}  // namespace gpt
