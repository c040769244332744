#include "gpt/config/memory_limit.h"

#include <gtest/gtest.h>

#include "gpt/config/option.h"
#include "gpt/config/recompute.h"
#include "gpt/config/settings.h"

#include "support/error_text.h"

namespace gpt {
namespace {

std::uint64_t bytes_of(const std::string& text) {
  const auto limit = parse_memory_limit(text);
  return limit && limit->bytes ? *limit->bytes : 0;
}

TEST(MemoryLimit, SizesInBothKindsOfUnits) {
  EXPECT_EQ(bytes_of("11.69GiB"), 12'552'041'922u);
  EXPECT_EQ(bytes_of("8G"), 8ull << 30);
  EXPECT_EQ(bytes_of("512MiB"), 512ull << 20);
  EXPECT_EQ(bytes_of("512M"), 512ull << 20);
  EXPECT_EQ(bytes_of("12GB"), 12'000'000'000u);
  EXPECT_EQ(bytes_of("1.5KB"), 1500u);
  EXPECT_EQ(bytes_of("4096B"), 4096u);
  EXPECT_EQ(bytes_of("2TiB"), 2ull << 40);
  EXPECT_EQ(bytes_of("8g"), 8ull << 30);
  EXPECT_EQ(bytes_of("40mib"), 40ull << 20);
  EXPECT_EQ(bytes_of("8 GiB"), 8ull << 30);
  EXPECT_EQ(bytes_of("40000000"), 40'000'000u);
}

TEST(MemoryLimit, FractionsAndAuto) {
  const auto fraction = parse_memory_limit("0.9");
  ASSERT_TRUE(fraction && fraction->fraction);
  EXPECT_EQ(fraction->of(1000), 900u);
  EXPECT_EQ(parse_memory_limit("1")->of(1000), 1000u);
  EXPECT_EQ(parse_memory_limit("50%")->of(1000), 500u);
  const auto automatic = parse_memory_limit("auto");
  ASSERT_TRUE(automatic);
  EXPECT_FALSE(automatic->of(1000));
  EXPECT_EQ(parse_memory_limit("8G")->of(1), 8ull << 30);
}

TEST(MemoryLimit, RefusesAllElse) {
  for (const char* text : {"", "GiB", "0", "-1G", "0G", "2", "1.5", "8GiB ", "8  GiB", "nan", "inf",
                           "1e3M", "1e9", "9999999999T", "150%", "8PB", "4096", "unlimited"})
    EXPECT_FALSE(parse_memory_limit(text)) << text;
}

std::string refusal(const std::string& key, const std::string& value) {
  TrainConfig config;
  Settings settings(options_of(config));
  settings.assign_text(key, value, "command line");
  return testing::error_text([&] { settings.check_ranges(); });
}

TEST(MemoryKeys, TakeTheirValuesAndNothingElse) {
  for (const auto& [key, value] : std::vector<std::pair<std::string, std::string>>{
           {"memory_limit", "11.69GiB"},
           {"memory_limit", "0.9"},
           {"recompute", "block"},
           {"optimizer_offload", "on"},
           {"eval_device", "cpu"},
           {"eval_device", "cuda:1"},
           {"empty_cache", "eval"},
           {"allocator", "native"},
           {"allocator", "expandable_segments:True,max_split_size_mb:128"},
           {"allocator", "roundup_power2_divisions:[256:1,>:8]"}})
    EXPECT_EQ(refusal(key, value), "") << key << "=" << value;
  EXPECT_EQ(refusal("memory_limit", "8x"),
            "command line: memory_limit: expected auto, a size such as 11.69GiB or 8G, or a "
            "fraction to 1, got \"8x\"");
  EXPECT_NE(refusal("recompute", "all"), "");
  EXPECT_NE(refusal("optimizer_offload", "yes"), "");
  EXPECT_NE(refusal("eval_device", "gpu"), "");
  EXPECT_NE(refusal("empty_cache", "always"), "");
  EXPECT_NE(refusal("allocator", "expandable"), "");
  EXPECT_NE(refusal("allocator", "a: b"), "");
}

TEST(MemoryKeys, LevelsAreNamedAsTheKeyTakesThem) {
  for (const Recompute level : kRecomputeLevels) {
    EXPECT_EQ(recompute_level(recompute_name(level)), level);
    EXPECT_EQ(refusal("recompute", recompute_name(level)), "");
  }
  EXPECT_EQ(recompute_level("auto"), Recompute::kNone);
}

}  // namespace
}  // namespace gpt
