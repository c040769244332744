#include "gpt/config/validate.h"

#include <gtest/gtest.h>

#include "support/error_text.h"

namespace gpt {
namespace {

std::string error_of(const std::vector<std::pair<std::string, std::string>>& flags) {
  TrainConfig config;
  Settings settings(options_of(config));
  for (const auto& [key, value] : flags) settings.assign_text(key, value, "configs/x.json:3");
  return testing::error_text([&] { validate(config, settings); });
}

TEST(Validate, DefaultsAndNanoGptsOddSchedulesPass) {
  EXPECT_EQ(error_of({}), "");
  EXPECT_EQ(error_of({{"warmup_iters", "2000"}, {"lr_decay_iters", "20"}}), "");
  EXPECT_EQ(error_of({{"learning_rate", "1e-5"}}), "");
}

TEST(Validate, HeadsMustDivideTheWidth) {
  EXPECT_EQ(error_of({{"n_head", "7"}}),
            "configs/x.json:3: n_head: n_embd (768) must be a multiple of n_head (7)");
}

TEST(Validate, SizesThatOverflow) {
  const std::string expected =
      "configs/x.json:3: batch_size: batch_size * gradient_accumulation_steps * block_size is "
      "beyond 2^30 tokens a step";
  EXPECT_EQ(error_of({{"batch_size", "4611686018427387904"}}), expected);
  EXPECT_EQ(error_of({{"batch_size", "1073741824"}}), expected);
}

// Each key is within its range, and no table of memory could add up their product.
TEST(Validate, AStepWhoseBytesOverflowIsRefused) {
  const std::string error = error_of({{"n_layer", "1000"},
                                      {"n_head", "1000"},
                                      {"n_embd", "100000"},
                                      {"block_size", "1073741824"},
                                      {"batch_size", "1"},
                                      {"gradient_accumulation_steps", "1"}});
  EXPECT_EQ(error.find("configs/x.json:3: batch_size: a step of 1.07e+09 tokens"), 0u) << error;
  EXPECT_NE(error.find("n_layer=1000, n_head=1000, n_embd=100000"), std::string::npos) << error;
}

TEST(Validate, TheLargestModelsThatPeopleTrainPass) {
  // GPT-3's shape with its batch of 3.2 million tokens; GPT-2 XL with a step of 2^30.
  EXPECT_EQ(error_of({{"n_layer", "96"},
                      {"n_head", "96"},
                      {"n_embd", "12288"},
                      {"block_size", "2048"},
                      {"batch_size", "1600"},
                      {"gradient_accumulation_steps", "1"}}),
            "");
  EXPECT_EQ(error_of({{"n_layer", "48"},
                      {"n_head", "25"},
                      {"n_embd", "1600"},
                      {"batch_size", "1024"},
                      {"gradient_accumulation_steps", "1024"}}),
            "");
}

}  // namespace
}  // namespace gpt
