#include "gpt/config/settings.h"

#include <limits>
#include <tuple>

#include <gtest/gtest.h>

#include "support/error_text.h"

namespace gpt {
namespace {

using testing::error_text;

struct Fixture {
  TrainConfig config;
  Settings settings{options_of(config)};

  std::string assign(const std::string& key, Value value) {
    return error_text([&] { settings.assign({key, std::move(value), "configs/x.py:12"}); });
  }
  std::string flag(const std::string& key, const std::string& text) {
    return error_text([&] { settings.assign_text(key, text, "command line"); });
  }
};

TEST(Settings, EachTypeIsStored) {
  Fixture f;
  EXPECT_EQ(f.assign("batch_size", std::int64_t{64}), "");
  EXPECT_EQ(f.assign("learning_rate", std::int64_t{1}), "");  // nanoGPT refuses this; we do not
  EXPECT_EQ(f.assign("dropout", 0.25), "");
  EXPECT_EQ(f.assign("compile", false), "");
  EXPECT_EQ(f.assign("dataset", std::string("x=y")), "");
  EXPECT_EQ(f.assign("head_chunk", std::int64_t{128}), "");
  EXPECT_EQ(f.config.data.batch_size, 64);
  EXPECT_EQ(f.config.optimizer.learning_rate, 1.0);
  EXPECT_EQ(f.config.model.dropout, 0.25);
  EXPECT_FALSE(f.config.system.compile);
  EXPECT_EQ(f.config.data.dataset, "x=y");
  EXPECT_EQ(f.config.model.head_chunk.value, 128);
  EXPECT_EQ(f.assign("head_chunk", std::string("auto")), "");
  EXPECT_FALSE(f.config.model.head_chunk.value);
}

TEST(Settings, WrongTypesSayWhatWasExpected) {
  Fixture f;
  EXPECT_EQ(f.assign("batch_size", 1.5),
            "configs/x.py:12: batch_size: expected an integer, got 1.5");
  EXPECT_EQ(f.assign("batch_size", true),
            "configs/x.py:12: batch_size: expected an integer, got True");
  EXPECT_EQ(f.assign("learning_rate", std::string("fast")),
            "configs/x.py:12: learning_rate: expected a finite number, got the text \"fast\"");
  EXPECT_EQ(f.assign("compile", std::int64_t{2}),
            "configs/x.py:12: compile: expected True or False, got 2");
  EXPECT_EQ(f.assign("dataset", true), "configs/x.py:12: dataset: expected a text, got True");
  EXPECT_EQ(f.assign("max_iters", std::monostate{}),
            "configs/x.py:12: max_iters: expected an integer, got None; leave the line out for the "
            "default");
  EXPECT_EQ(f.assign("max_iters", 1e300),
            "configs/x.py:12: max_iters: expected an integer, got 1e+300");
  EXPECT_EQ(f.assign("threads", std::string("many")),
            "configs/x.py:12: threads: expected auto or an integer, got the text \"many\"");
}

// nanoGPT's exec() checks no types.
TEST(Settings, WhatMeansTheSameIsTaken) {
  Fixture f;
  EXPECT_EQ(f.assign("max_iters", 1e5), "");
  EXPECT_EQ(f.config.optimizer.max_iters, 100000);
  EXPECT_EQ(f.assign("micro_batch_size", 16.0), "");
  EXPECT_EQ(f.config.data.micro_batch_size.value, 16);
  EXPECT_EQ(f.assign("micro_batch_size", std::monostate{}), "");
  EXPECT_FALSE(f.config.data.micro_batch_size.value);
  EXPECT_EQ(f.assign("compile", std::int64_t{0}), "");
  EXPECT_FALSE(f.config.system.compile);
  EXPECT_EQ(f.assign("wandb_run_name", std::int64_t{7}), "");
  EXPECT_EQ(f.config.io.wandb_run_name, "7");
  EXPECT_EQ(f.assign("memory_limit", 0.9), "");
  EXPECT_EQ(f.config.memory.memory_limit, "0.9");
  EXPECT_EQ(f.assign("wandb_run_name", std::monostate{}), "");
  EXPECT_EQ(f.config.io.wandb_run_name, "");
}

TEST(Settings, FlagsAsShellsAndSweepsPassThem) {
  Fixture f;
  EXPECT_EQ(f.flag("dtype", "'float32'"), "");
  EXPECT_EQ(f.config.system.dtype, "float32");
  EXPECT_EQ(f.flag("out_dir", "\"my out\""), "");
  EXPECT_EQ(f.config.io.out_dir, "my out");
  EXPECT_EQ(f.flag("out_dir", "\"Nine,\" she said"), "");
  EXPECT_EQ(f.config.io.out_dir, "\"Nine,\" she said");
  EXPECT_EQ(f.flag("batch_size", "'8'"), "");
  EXPECT_EQ(f.config.data.batch_size, 8);
  for (const auto& [text, value] :
       std::vector<std::pair<const char*, std::int64_t>>{{"1_000", 1000},
                                                         {"1e3", 1000},
                                                         {"1000.0", 1000},
                                                         {"0x10", 16},
                                                         {"+20", 20},
                                                         {"-1", -1}}) {
    EXPECT_EQ(f.flag("max_iters", text), "") << text;
    EXPECT_EQ(f.config.optimizer.max_iters, value) << text;
  }
  EXPECT_EQ(f.flag("learning_rate", "1_0.5e-4"), "");
  EXPECT_EQ(f.config.optimizer.learning_rate, 10.5e-4);
  for (const char* yes : {"yes", "on", "TRUE", "Yes"}) {
    f.config.io.eval_only = false;
    EXPECT_EQ(f.flag("eval_only", yes), "");
    EXPECT_TRUE(f.config.io.eval_only) << yes;
  }
  for (const char* no : {"no", "off", "FALSE", "0"}) {
    f.config.io.eval_only = true;
    EXPECT_EQ(f.flag("eval_only", no), "");
    EXPECT_FALSE(f.config.io.eval_only) << no;
  }
  for (const char* wrong : {"1e-3", "1.5", "1__0", "_1", "1_", "x1", "", "1 000"})
    EXPECT_NE(f.flag("max_iters", wrong), "") << wrong;
}

TEST(Settings, FlagsAreReadByTheirKeysType) {
  Fixture f;
  for (const char* yes : {"True", "true", "1"}) {
    f.config.io.eval_only = false;
    EXPECT_EQ(f.flag("eval_only", yes), "");
    EXPECT_TRUE(f.config.io.eval_only) << yes;
  }
  EXPECT_EQ(f.flag("compile", "False"), "");
  EXPECT_FALSE(f.config.system.compile);
  EXPECT_EQ(f.flag("learning_rate", "1e-3"), "");
  EXPECT_EQ(f.config.optimizer.learning_rate, 1e-3);
  EXPECT_EQ(f.flag("max_iters", "+20"), "");
  EXPECT_EQ(f.config.optimizer.max_iters, 20);
  EXPECT_EQ(f.flag("dataset", "1"), "");
  EXPECT_EQ(f.config.data.dataset, "1");
  EXPECT_EQ(f.flag("max_iters", "1e-3"), "command line: max_iters: expected an integer, got 0.001");
  EXPECT_EQ(f.flag("compile", "maybe"),
            "command line: compile: expected True or False, got the text \"maybe\"");
  EXPECT_EQ(f.flag("max_iters", "99999999999999999999"),
            "command line: max_iters: expected an integer, got the text \"99999999999999999999\"");
}

TEST(Settings, WhatCannotBeSavedOrShownIsRefused) {
  Fixture f;
  EXPECT_EQ(f.flag("grad_clip", "inf"),
            "command line: grad_clip: expected a finite number, got inf");
  EXPECT_EQ(f.flag("dropout", "nan"), "command line: dropout: expected a finite number, got nan");
  EXPECT_EQ(
      f.assign("out_dir", std::string("a\xFF")),
      "configs/x.py:12: out_dir: expected a text in UTF-8 without NUL, got the text \"a\xFF\"");
  EXPECT_EQ(f.flag("max_iters", "1\n2\033[2J"),
            "command line: max_iters: expected an integer, got the text \"1\\x0a2\\x1b[2J\"");
  EXPECT_LT(f.flag("max_iters", std::string(1000, 'x')).size(), 140u);
  EXPECT_EQ(f.flag("beta2", "0.9999999"), "");
  EXPECT_EQ(error_text([&] { f.settings.check_ranges(); }),
            "command line: beta2: expected from 0 to 0.999999, got 0.9999999");
}

TEST(Settings, UnknownKeysSuggestTheNearest) {
  Fixture f;
  EXPECT_EQ(f.assign("learning_rte", 0.1),
            "configs/x.py:12: learning_rte: unknown key; did you mean learning_rate?");
  EXPECT_EQ(f.assign("qqqqqqqq", 0.1),
            "configs/x.py:12: qqqqqqqq: unknown key; --help lists all keys");
  EXPECT_EQ(f.assign("max_it", 0.1),
            "configs/x.py:12: max_it: unknown key; did you mean max_iters?");
  EXPECT_EQ(f.assign("learn", 0.1),
            "configs/x.py:12: learn: unknown key; did you mean learning_rate?");
  EXPECT_EQ(f.assign("beta", 0.1),
            "configs/x.py:12: beta: unknown key; did you mean beta1 or beta2?");
  EXPECT_EQ(f.assign("lr", 0.1), "configs/x.py:12: lr: unknown key; did you mean learning_rate?");
}

TEST(Settings, RangesAreCheckedAtTheEndWithTheOriginOfTheValueThatWon) {
  Fixture f;
  EXPECT_EQ(f.assign("beta2", 7.0), "");
  EXPECT_EQ(error_text([&] { f.settings.check_ranges(); }),
            "configs/x.py:12: beta2: expected from 0 to 0.999999, got 7");
  EXPECT_EQ(f.flag("beta2", "0.9"), "");
  EXPECT_EQ(error_text([&] { f.settings.check_ranges(); }), "");
  EXPECT_EQ(f.flag("beta2", "0.9"), "");
  EXPECT_EQ(f.flag("vocab_size", "16777217"), "");
  EXPECT_EQ(error_text([&] { f.settings.check_ranges(); }),
            "command line: vocab_size: expected auto or from 2 to 16777216, got 16777217");
}

// What would be 0 or infinite in float32 says something else there: no clipping, no decay.
TEST(Settings, FloatsThatFloat32DoesNotHoldAreRefused) {
  const std::string rate = "0 or from 1e-30 to 100", clip = "0 or from 1e-30 to 3.4e+38";
  const std::vector<std::tuple<const char*, const char*, std::string>> cases{
      {"grad_clip", "4e38", clip},      {"grad_clip", "1e300", clip},
      {"grad_clip", "1e-300", clip},    {"grad_clip", "1e-310", clip},
      {"grad_clip", "-1", clip},        {"learning_rate", "1e-300", rate},
      {"learning_rate", "1e300", rate}, {"min_lr", "1e-45", rate},
      {"weight_decay", "5e-324", rate}, {"weight_decay", "101", rate}};
  for (const auto& [key, value, range] : cases) {
    Fixture f;
    EXPECT_EQ(f.flag(key, value), "");
    const std::string error = error_text([&] { f.settings.check_ranges(); });
    EXPECT_EQ(error.find(std::string("command line: ") + key + ": expected " + range + ", got "),
              0u)
        << key << "=" << value << ": " << error;
  }
  for (const auto& [key, value] :
       std::vector<std::pair<const char*, const char*>>{{"grad_clip", "3e38"},
                                                        {"grad_clip", "0"},
                                                        {"grad_clip", "-0.0"},
                                                        {"grad_clip", "1e-30"},
                                                        {"learning_rate", "0"},
                                                        {"min_lr", "100"},
                                                        {"weight_decay", "1e-30"}}) {
    Fixture f;
    EXPECT_EQ(f.flag(key, value), "");
    EXPECT_EQ(error_text([&] { f.settings.check_ranges(); }), "") << key << "=" << value;
  }
}

// No float option accepts what is no number, or a number that double itself does not hold.
TEST(Settings, NoFloatOptionTakesNanInfinityOrWhatDoubleDoesNotHold) {
  Fixture f;
  std::size_t floats = 0;
  for (const Option& option : f.settings.options()) {
    if (!std::holds_alternative<double*>(option.value)) continue;
    ++floats;
    for (const char* text : {"nan", "-nan", "inf", "-inf", "1e999", "-1e999", "1e-999", "0x1p3"})
      EXPECT_NE(f.flag(option.key, text), "") << option.key << "=" << text;
    EXPECT_NE(f.assign(option.key, std::numeric_limits<double>::infinity()), "") << option.key;
    EXPECT_NE(f.assign(option.key, std::numeric_limits<double>::quiet_NaN()), "") << option.key;
  }
  EXPECT_GE(floats, 7u);
}

TEST(Settings, PiecesOfAStepAreNoMoreThanAStepHolds) {
  for (const char* key : {"micro_batch_size", "eval_batch_size", "head_chunk"}) {
    Fixture f;
    EXPECT_EQ(f.flag(key, "9223372036854775807"), "");
    EXPECT_EQ(error_text([&] { f.settings.check_ranges(); }),
              std::string("command line: ") + key +
                  ": expected auto or from 1 to 1073741824, got 9223372036854775807");
  }
}

TEST(Settings, DevicesAndChoices) {
  for (const char* good : {"auto", "cpu", "cuda", "cuda:0", "cuda:17"}) {
    Fixture f;
    f.flag("device", good);
    EXPECT_EQ(error_text([&] { f.settings.check_ranges(); }), "") << good;
  }
  for (const char* bad : {"", "gpu", "cuda:", "cuda:x", "cuda:-1", "cuda:99999999999", "mps"}) {
    Fixture f;
    f.flag("device", bad);
    EXPECT_EQ(
        error_text([&] { f.settings.check_ranges(); }),
        concat("command line: device: expected auto, cpu, cuda or cuda:N, got \"", bad, "\""));
  }
  Fixture f;
  f.flag("dtype", "int8");
  EXPECT_EQ(error_text([&] { f.settings.check_ranges(); }),
            "command line: dtype: expected auto, float32, bfloat16 or float16, got \"int8\"");
}

TEST(Settings, CurrentValuesAndOrigins) {
  Fixture f;
  EXPECT_EQ(std::get<std::int64_t>(*f.settings.current("batch_size")), 12);
  EXPECT_EQ(std::get<std::string>(*f.settings.current("threads")), "auto");
  EXPECT_FALSE(f.settings.current("nothing"));
  EXPECT_EQ(f.settings.origin("batch_size"), "default");
  f.assign("batch_size", std::int64_t{3});
  EXPECT_EQ(f.settings.origin("batch_size"), "configs/x.py:12");
}

}  // namespace
}  // namespace gpt
