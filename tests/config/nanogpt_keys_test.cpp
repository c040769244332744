// The contract with nanoGPT users: its 33 keys, their order and their defaults, as in its train.py.
#include <algorithm>
#include <set>

#include <gtest/gtest.h>

#include "gpt/config/command_line.h"
#include "gpt/config/option.h"
#include "gpt/config/tokenizer_config.h"

namespace gpt {
namespace {

const std::vector<std::pair<std::string, std::string>> kNanoGpt{
    {"out_dir", "out"},
    {"eval_interval", "2000"},
    {"log_interval", "1"},
    {"eval_iters", "200"},
    {"eval_only", "False"},
    {"always_save_checkpoint", "True"},
    {"init_from", "scratch"},
    {"wandb_log", "False"},
    {"wandb_project", "owt"},
    {"wandb_run_name", "gpt2"},
    {"dataset", "openwebtext"},
    {"gradient_accumulation_steps", "40"},
    {"batch_size", "12"},
    {"block_size", "1024"},
    {"n_layer", "12"},
    {"n_head", "12"},
    {"n_embd", "768"},
    {"dropout", "0"},
    {"bias", "False"},
    {"learning_rate", "0.0006"},
    {"max_iters", "600000"},
    {"weight_decay", "0.1"},
    {"beta1", "0.9"},
    {"beta2", "0.95"},
    {"grad_clip", "1"},
    {"decay_lr", "True"},
    {"warmup_iters", "2000"},
    {"lr_decay_iters", "600000"},
    {"min_lr", "6e-05"},
    {"backend", "nccl"},
    {"device", "cuda"},
    {"dtype", "auto"},  // nanoGPT computes it: bfloat16 where the GPU has it, else float16
    {"compile", "True"},
};

TEST(NanoGptKeys, All33InOrderWithTheirDefaults) {
  ASSERT_EQ(kNanoGpt.size(), 33u);
  std::set<std::string> wanted;
  for (const auto& [key, value] : kNanoGpt) wanted.insert(key);
  TrainConfig config;
  std::vector<std::pair<std::string, std::string>> found;
  for (const Option& option : options_of(config))
    if (wanted.contains(option.key)) found.emplace_back(option.key, value_text(option));
  EXPECT_EQ(found, kNanoGpt);
}

TEST(NanoGptKeys, KeysAreUniqueAndDocumented) {
  TrainConfig train;
  SampleConfig sample;
  PrepareConfig prepare;
  for (const auto& list : {options_of(train), options_of(sample), options_of(prepare)}) {
    std::set<std::string> seen;
    for (const Option& option : list) {
      EXPECT_TRUE(seen.insert(option.key).second) << option.key;
      EXPECT_GT(std::string(option.doc).size(), 10u) << option.key;
      EXPECT_TRUE(option.holds()) << option.key << ": the default is out of range";
    }
  }
}

TEST(NanoGptKeys, AliasesNameKeysAndAreNone) {
  TrainConfig config;
  std::set<std::string> keys;
  for (const Option& option : options_of(config)) keys.insert(option.key);
  for (const auto& [alias, key] : key_aliases()) {
    EXPECT_TRUE(keys.contains(key)) << key;
    EXPECT_FALSE(keys.contains(alias)) << alias;
  }
}

// A member that is not a FIELD would be invisible to every reader of options. Sections are
// aggregates, so the number of initializers they take is their number of members.
struct Whatever {
  template <class T>
  operator T() const;
};
template <class T, class... Args>
constexpr std::size_t member_count() {
  if constexpr (requires { T{Args{}..., Whatever{}}; })
    return member_count<T, Args..., Whatever>();
  else
    return sizeof...(Args);
}
template <class Section>
std::size_t field_count() {
  std::size_t count = 0;
  for_each_field<Section>([&](auto) { ++count; });
  return count;
}

TEST(NanoGptKeys, EveryMemberIsAField) {
  EXPECT_EQ(field_count<IoConfig>(), member_count<IoConfig>());
  EXPECT_EQ(field_count<DataConfig>(), member_count<DataConfig>());
  EXPECT_EQ(field_count<ModelConfig>(), member_count<ModelConfig>());
  EXPECT_EQ(field_count<OptimizerConfig>(), member_count<OptimizerConfig>());
  EXPECT_EQ(field_count<ScheduleConfig>(), member_count<ScheduleConfig>());
  EXPECT_EQ(field_count<SystemConfig>(), member_count<SystemConfig>());
  EXPECT_EQ(field_count<OpenConfig>(), member_count<OpenConfig>());
  // Next to their section `open`.
  EXPECT_EQ(field_count<SampleConfig>() + 1, member_count<SampleConfig>());
  EXPECT_EQ(field_count<EvalConfig>() + 1, member_count<EvalConfig>());
  EXPECT_EQ(field_count<PrepareConfig>(), member_count<PrepareConfig>());
  EXPECT_EQ(field_count<TokenizerTrainConfig>(), member_count<TokenizerTrainConfig>());
}

}  // namespace
}  // namespace gpt
