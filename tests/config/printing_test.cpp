#include "gpt/config/printing.h"

#include <fstream>
#include <limits>
#include <random>
#include <sstream>

#include <gtest/gtest.h>

#include "gpt/base/files.h"
#include "gpt/config/json_reader.h"
#include "gpt/config/settings.h"

namespace gpt {
namespace {

TrainConfig read_back(const std::string& json) {
  TrainConfig config;
  Settings settings(options_of(config));
  for (const Setting& setting : parse_json_config(json, "printed.json")) settings.assign(setting);
  settings.check_ranges();
  return config;
}

TEST(Printing, JsonReadsBackToTheSameConfig) {
  std::mt19937_64 random(1337);
  for (int round = 0; round < 300; ++round) {
    TrainConfig config;
    config.optimizer.learning_rate = std::generate_canonical<double, 64>(random);
    config.optimizer.weight_decay = 1.0 / static_cast<double>(1 + random() % 1000000);
    config.model.dropout = std::generate_canonical<double, 64>(random) * 0.9;
    config.optimizer.max_iters = static_cast<std::int64_t>(random() >> 1);
    config.io.eval_only = random() % 2;
    config.io.out_dir = "out \"quoted\" \\ \n \xC3\xA9 " + std::to_string(random());
    if (random() % 2)
      config.model.head_chunk.value = static_cast<std::int64_t>(1 + random() % 9999);
    const std::string json = to_json(options_of(config));
    TrainConfig again = read_back(json);
    EXPECT_EQ(to_json(options_of(again)), json);
    EXPECT_EQ(again.optimizer.learning_rate, config.optimizer.learning_rate);
    EXPECT_EQ(again.optimizer.weight_decay, config.optimizer.weight_decay);
    EXPECT_EQ(again.optimizer.max_iters, config.optimizer.max_iters);
    EXPECT_EQ(again.io.out_dir, config.io.out_dir);
    EXPECT_EQ(again.model.head_chunk, config.model.head_chunk);
  }
}

TEST(Printing, HelpFitsEightyColumnsAndNamesEveryKey) {
  TrainConfig train;
  SampleConfig sample;
  for (const auto& list : {options_of(train), options_of(sample)}) {
    const std::string help = help_text(list);
    std::istringstream lines(help);
    for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 80u) << line;
    for (const Option& option : list)
      EXPECT_NE(help.find("--" + std::string(option.key) + "="), std::string::npos) << option.key;
  }
}

// Without line breaks and indents.
std::string in_one_line(const std::string& text) {
  std::istringstream words(text);
  std::string line;
  for (std::string word; words >> word;) line += " " + word;
  return line;
}

TEST(Printing, HelpIsGroupedAndNamesDefaultsAndOtherNames) {
  TrainConfig config;
  const std::string help = help_text(options_of(config));
  EXPECT_TRUE(help.starts_with("Input and output\n  --out_dir=\"out\"\n      ")) << help;
  EXPECT_NE(help.find("\n\nData\n  --"), std::string::npos);
  EXPECT_NE(in_one_line(help).find("Other names: --lr."), std::string::npos) << help;
  EXPECT_NE(in_one_line(help).find("Other names: --grad_accum,"), std::string::npos);
  PrepareConfig prepare;  // has a key `out` itself
  EXPECT_NE(help_text(options_of(prepare)).find("  --out=\"\"\n"), std::string::npos);
}

TEST(Printing, ReadmeTableIsTheGeneratedOne) {
  const std::string readme = read_file(GPT_SOURCE_DIR "/configs/README.md");
  const std::string begin = "<!-- keys:begin -->\n", end = "<!-- keys:end -->";
  const auto from = readme.find(begin), to = readme.find(end);
  ASSERT_NE(from, std::string::npos);
  ASSERT_NE(to, std::string::npos);
  EXPECT_EQ(readme.substr(from + begin.size(), to - from - begin.size()), key_tables())
      << "run scripts/update_readme";
}

TEST(Printing, EveryRowOfTheTablesHasFourCells) {
  std::istringstream lines(key_tables());
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("|")) continue;
    std::size_t bars = 0;
    for (std::size_t at = 0; at < line.size(); ++at)
      bars += line[at] == '|' && (at == 0 || line[at - 1] != '\\');
    EXPECT_EQ(bars, 5u) << line;
  }
}

}  // namespace
}  // namespace gpt
