#include "gpt/config/command_line.h"

#include <filesystem>

#include <gtest/gtest.h>

#include "gpt/base/strings.h"

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

TEST(CommandLine, LaunchersAndWordsForTruth) {
  EXPECT_EQ(parse({"--local_rank=0", "--local-rank", "1", "--bs=3"}).error, "");
  EXPECT_FALSE(parse({"--compile", "off", "--eval_only", "yes"}).config.system.compile);
  EXPECT_TRUE(parse({"--compile", "off", "--eval_only", "yes"}).config.io.eval_only);
}

TEST(ConfigFiles, NamesOfTheirOwnAreNoMistakes) {
  const TempDir dir;
  const auto run = [&](const std::string& text) {
    return parse({dir.write("x.py", text).string()});
  };
  const std::string at = (dir / "x.py").string();
  const Parsed helpers =
      run("tokens_a_step = 64\nblock_size = 16\nbatch_size = tokens_a_step // "
          "block_size\nposition_kind = 'learned'\nwandb_group = None\n");
  EXPECT_EQ(helpers.error, "");
  EXPECT_EQ(helpers.config.data.batch_size, 4);
  EXPECT_EQ(run("n_layers = 3\nn_layer = n_layers\n").config.model.n_layer, 3);
  EXPECT_EQ(run("width = 32\nn_embd = width\n").config.model.n_embd, 32);
  EXPECT_EQ(run("betas = (0.9, 0.95)\n").error, "");  // no value for beta1
  EXPECT_EQ(run("learing_rate = 1e-3\n").error,
            at + ":1: learing_rate: unknown key; did you mean learning_rate? (a name of the file's "
                 "own may begin with _)");
  // Read, but instead of the key: nothing says how long the run is to be.
  EXPECT_NE(run("max_iter = 5\nlr_decay_iters = max_iter\n").error.find("did you mean max_iters"),
            std::string::npos);
  // So is a slip, wherever it is read; a name that only shares letters with a key is not.
  EXPECT_NE(run("learing_rate = 1e-3\nmin_lr = learing_rate / 10\n").error.find("did you mean"),
            std::string::npos);
  for (const char* own : {"pass_tokens", "step_tokens", "num_tokens", "base_iters", "eval_steps"})
    EXPECT_EQ(run(concat(own, " = 64\nbatch_size = ", own, " // 16\n")).error, "") << own;
  EXPECT_NE(run("pass_tokens = 64\n").error.find("did you mean max_tokens"), std::string::npos);
  EXPECT_NE(run("lr = 1e-3\n").error.find("did you mean learning_rate"), std::string::npos);
  EXPECT_EQ(run("max_iters = 1e3\nbatch_size = 2.5\n").error,
            at + ":2: batch_size: expected an integer, got 2.5");
}

TEST(ConfigFiles, AnyCommandTakesATrainingConfig) {
  const TempDir dir;
  const std::string py =
      dir.write("x.py",
                "import os\nout_dir = 'run'\nseed = 7\nmax_iters = 10\nlr_decay_iters = "
                "max_iters * gradient_accumulation_steps\ninit_from = 'scratch'\ndevice = 'cpu'\n")
          .string();
  const std::string json =
      dir.write("x.json", "{\"n_layer\": 2, \"out_dir\": \"other\", \"init_from\": \"scratch\"}")
          .string();
  SampleConfig config;
  Settings settings(options_of(config));
  read_command_line({py, "--num_samples=1"}, settings, false);
  EXPECT_EQ(config.open.out_dir, "run");
  EXPECT_EQ(config.seed, 7);
  EXPECT_EQ(config.open.device, "cpu");
  EXPECT_EQ(config.open.init_from, "resume");  // scratch says nothing to sample
  EXPECT_EQ(error_text([&] { read_command_line({json}, settings, false); }), "");
  EXPECT_EQ(config.open.out_dir, "other");
  const std::string wrong = dir.write("y.json", "{\"n_layerz\": 2}").string();
  EXPECT_NE(error_text([&] { read_command_line({wrong}, settings, false); }), "");
}

TEST(ConfigFiles, AreToldFromTextsAmongInputs) {
  const TempDir dir;
  const std::string config = dir.write("x.py", "# head\nout_dir = 'run'\n").string();
  const std::string saved = dir.write("c.json", "{\"out_dir\": \"saved\"}").string();
  const std::string text = dir.write("t.py", "def f(x):\n    return x == 1\nbatch = 3\n").string();
  const std::string data = dir.write("d.json", "[{\"text\": \"a\"}]").string();
  EvalConfig eval;
  Settings settings(options_of(eval));
  const CommandLine line = read_command_line({config, text, data, "val.bin"}, settings, true, true);
  EXPECT_EQ(line.inputs, (std::vector<std::string>{text, data, "val.bin"}));
  EXPECT_EQ(eval.open.out_dir, "run");
  read_command_line({saved, "val.bin"}, settings, true, true);
  EXPECT_EQ(eval.open.out_dir, "saved");
}

TEST(ConfigFiles, APythonMayRunThem) {
  if (!std::filesystem::exists("/usr/bin/python3")) GTEST_SKIP() << "there is no python3";
  const TempDir dir;
  const std::string py =
      dir.write("x.py",
                "for i in range(4):\n    max_iters = i\nsquares = [i * i for i in range(3)]\n")
          .string();
  EXPECT_NE(parse({py}).error.find("--config_python"), std::string::npos);
  for (const std::string flag : {"--config_python=/usr/bin/python3", "--config-python=python3"}) {
    EXPECT_EQ(parse({flag, py}).error, "");
    EXPECT_EQ(parse({py, flag}).config.optimizer.max_iters, 3);
  }
  EXPECT_EQ(parse({py, "--config_python", "python3", "--max_iters=9"}).config.optimizer.max_iters,
            9);
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
