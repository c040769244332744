#include <filesystem>
#include <map>

#include <gtest/gtest.h>

#include "gpt/config/json_reader.h"
#include "gpt/config/python_reader.h"
#include "gpt/config/settings.h"
#include "gpt/config/validate.h"

#include "support/error_text.h"

namespace gpt {

using testing::error_text;

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
