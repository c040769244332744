#include "gpt/config/command_line.h"

#include <gtest/gtest.h>

#include "support/error_text.h"
#include "support/temp_dir.h"

namespace gpt {
namespace {

using testing::error_text;
using testing::TempDir;

struct Parsed {
  TrainConfig config;
  CommandLine line;
  std::string error;
};

Parsed parse(const std::vector<std::string>& arguments) {
  Parsed parsed;
  Settings settings(options_of(parsed.config));
  parsed.error = error_text([&] { parsed.line = read_command_line(arguments, settings, false); });
  return parsed;
}

TEST(CommandLine, EveryFormOfAFlag) {
  for (const std::vector<std::string>& form : {std::vector<std::string>{"--batch_size=64"},
                                               {"--batch_size", "64"},
                                               {"--batch-size=64"},
                                               {"--bs=64"},
                                               {"--bs", "64"}}) {
    const Parsed parsed = parse(form);
    EXPECT_EQ(parsed.error, "") << form[0];
    EXPECT_EQ(parsed.config.data.batch_size, 64) << form[0];
  }
  EXPECT_EQ(parse({"--grad_accum=8"}).config.data.gradient_accumulation_steps, 8);
  EXPECT_EQ(parse({"--grad-accum", "8"}).config.data.gradient_accumulation_steps, 8);
}

TEST(CommandLine, BoolsMayStandAlone) {
  EXPECT_TRUE(parse({"--eval_only"}).config.io.eval_only);
  EXPECT_TRUE(parse({"--eval_only", "--bs=1"}).config.io.eval_only);
  EXPECT_FALSE(parse({"--compile", "False"}).config.system.compile);
  EXPECT_FALSE(parse({"--compile=False"}).config.system.compile);
  EXPECT_FALSE(parse({"--compile", "0"}).config.system.compile);
}

TEST(CommandLine, ValuesMayHoldEqualsSignsAndMinus) {
  EXPECT_EQ(parse({"--dataset=a=b=c"}).config.data.dataset, "a=b=c");
  EXPECT_EQ(parse({"--learning_rate", "-1"}).error,
            "command line: learning_rate: expected 0 or from 1e-30 to 100, got -1");
}

// Forms that CLI11 alone would read otherwise.
TEST(CommandLine, AValueIsWhatStandsAfterTheEqualsSign) {
  EXPECT_EQ(parse({"--dataset=x", "--dataset=", "--bs=3"}).error,
            "command line: dataset: expected a text that is not empty, got \"\"");
  EXPECT_EQ(parse({"--dataset=--bs=3"}).config.data.dataset, "--bs=3");
  EXPECT_EQ(parse({"--dataset=[a,b]"}).config.data.dataset, "[a,b]");
  EXPECT_EQ(parse({"--dataset", "[a, b]"}).config.data.dataset, "[a, b]");
  EXPECT_EQ(parse({"--dataset=--"}).config.data.dataset, "--");
  EXPECT_EQ(parse({"--dataset", "-"}).config.data.dataset, "-");
  EXPECT_EQ(parse({"--eval_only="}).error,
            "command line: eval_only: expected True or False, got the text \"\"");
}

TEST(CommandLine, AFlagTakesNoFileForItsValue) {
  const TempDir dir;
  const std::string file = dir.write("a.py", "batch_size = 2\n").string();
  const Parsed parsed = parse({"--eval_only", file, "--compile", "false", "--eval_only", "0"});
  EXPECT_EQ(parsed.error, "");
  EXPECT_EQ(parsed.config.data.batch_size, 2);
  EXPECT_FALSE(parsed.config.system.compile);
  EXPECT_FALSE(parsed.config.io.eval_only);
  PrepareConfig config;
  Settings settings(options_of(config));
  const CommandLine line =
      read_command_line({"--force", "a.txt", "-", "--out", "x", "train"}, settings, true);
  EXPECT_EQ(line.inputs, (std::vector<std::string>{"a.txt", "-", "train"}));
  EXPECT_EQ(config.out, "x");
}

TEST(CommandLine, LeftToRightLaterWins) {
  const TempDir dir;
  const std::string py = dir.write("a.py", "batch_size = 2\nn_layer = 3\n").string();
  const std::string json = dir.write("b.json", "{\"batch_size\": 5}\n").string();
  EXPECT_EQ(parse({py, json}).config.data.batch_size, 5);
  EXPECT_EQ(parse({json, py}).config.data.batch_size, 2);
  EXPECT_EQ(parse({py, "--batch_size=9", json}).config.data.batch_size, 5);
  EXPECT_EQ(parse({"--config", py, "--config=" + json, "--n_layer=7"}).config.model.n_layer, 7);
  EXPECT_EQ(parse({py}).config.model.n_layer, 3);
}

TEST(CommandLine, MistakesAreOneClearLine) {
  EXPECT_EQ(parse({"--learning_rte=1"}).error,
            "command line: learning_rte: unknown key; did you mean learning_rate?");
  EXPECT_EQ(parse({"--learning-rte", "1"}).error,
            "command line: learning_rte: unknown key; did you mean learning_rate?");
  EXPECT_EQ(parse({"--batch_size"}).error,
            "command line: --batch_size: expected a value after it, as in --batch_size=VALUE");
  EXPECT_EQ(parse({"--batch_size", "--n_layer=2"}).error,
            "command line: --batch_size: expected a value after it, as in --batch_size=VALUE");
  EXPECT_EQ(parse({"--batch_size", "-x"}).error,
            "command line: --batch_size: expected a value after it, as in --batch_size=VALUE");
  EXPECT_EQ(parse({"stray"}).error,
            "command line: 'stray': expected a config file (.py or .json) or --key=value");
  EXPECT_EQ(parse({"--"}).error,
            "command line: '--': expected a config file (.py or .json) or --key=value");
  EXPECT_EQ(parse({"++"}).error,
            "command line: '++': expected a config file (.py or .json) or --key=value");
  EXPECT_EQ(parse({"-x=1"}).error,
            "command line: '-x=1': expected a config file (.py or .json) or --key=value");
  EXPECT_EQ(parse({"--=1"}).error, "command line: : unknown key; --help lists all keys");
  EXPECT_EQ(parse({"--positional-argument=1"}).error,
            "command line: positional_argument: unknown key; --help lists all keys");
  EXPECT_EQ(parse({"--config=x.toml"}).error,
            "command line: config file 'x.toml' should end in .py or .json");
  EXPECT_EQ(parse({"no/such/file.py"}).error,
            "no/such/file.py: cannot read: No such file or directory");
}

TEST(CommandLine, HelpAndPrintConfig) {
  EXPECT_TRUE(parse({"--help"}).line.help);
  EXPECT_TRUE(parse({"--batch_size=0", "-h"}).line.help);  // help comes before complaints
  EXPECT_TRUE(parse({"--typo=1", "nothing.py", "--help"}).line.help);
  EXPECT_TRUE(parse({"--print_config"}).line.print_config);
  EXPECT_TRUE(parse({"--print-config"}).line.print_config);
}

TEST(CommandLine, InputsWhereTheCommandTakesThem) {
  PrepareConfig config;
  Settings settings(options_of(config));
  const CommandLine line =
      read_command_line({"a.txt", "--out=data/x", "b.py", "--force"}, settings, true);
  EXPECT_EQ(line.inputs, (std::vector<std::string>{"a.txt", "b.py"}));
  EXPECT_EQ(config.out, "data/x");
  EXPECT_TRUE(config.force);
}

}  // namespace
}  // namespace gpt
