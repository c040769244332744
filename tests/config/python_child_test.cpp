#include <filesystem>
#include <map>

#include <gtest/gtest.h>

#include "gpt/base/error.h"
#include "gpt/config/python_reader.h"

#include "config/python_values.h"
#include "support/temp_dir.h"

namespace gpt {
namespace {

using testing::defaults;
using testing::error_text;

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

}  // namespace
}  // namespace gpt
