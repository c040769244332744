// `gpttrain plan`: the JSON for programs says what the text for people does.
#include <algorithm>
#include <set>
#include <sstream>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "gpt/base/strings.h"
#include "gpt/memory/breakdown.h"

#include "support/child.h"

namespace gpt {
namespace {

using nlohmann::json;
using testing::Finished;
using testing::run;
using testing::TempDir;

// The config of the story, whose logits alone are 6.14 GiB.
std::vector<std::string> story(const std::vector<std::string>& more) {
  std::vector<std::string> arguments{
      "plan", std::string(GPT_SOURCE_DIR) + "/configs/train_openwebtext.json", "--gpu=rtx3060"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

struct Answer {
  Finished text;
  json data;
};

Answer ask(const std::vector<std::string>& more) {
  const TempDir dir;
  std::vector<std::string> as_json = more;
  as_json.emplace_back("--json");
  const Finished finished = run(dir, story(as_json));
  const Finished text = run(dir, story(more));
  EXPECT_EQ(finished.code, text.code) << finished.err;
  return {text, json::parse(finished.out)};
}

std::set<std::string> keys(const json& object) {
  std::set<std::string> names;
  for (const auto& item : object.items()) names.insert(item.key());
  return names;
}

// Columns of the line that begins with `name`.
std::vector<std::string> columns(const std::string& text, const std::string& name) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("  " + name + " ")) continue;
    std::istringstream words(line.substr(2 + name.size()));
    std::vector<std::string> found;
    for (std::string word; words >> word;) found.push_back(word);
    return found;
  }
  return {};
}

std::string mebibytes(const json& bytes) {
  return format("%.1f", bytes.get<double>() / (1 << 20));
}

TEST(PlanCommand, JsonHasTheNumbersOfTheText) {
  const auto [text, data] = ask({"--memory_limit=11.69GiB"});
  ASSERT_EQ(text.code, 0) << text.err;
  EXPECT_EQ(keys(data), (std::set<std::string>{"device", "limit_bytes", "limit_is", "parameters",
                                               "fits", "plan", "runner_up", "with_more",
                                               "with_less", "smallest", "fastest", "length"}));
  EXPECT_EQ(data.at("device"), "RTX 3060");
  EXPECT_EQ(data.at("limit_bytes"), 12552041922);  // 11.69 * 2^30, rounded down
  EXPECT_EQ(data.at("limit_is"), "memory_limit");
  EXPECT_EQ(data.at("parameters"), 124373760);
  EXPECT_EQ(data.at("fits"), true);

  const json& plan = data.at("plan");
  std::set<std::string> of_peak{"peak_in", "total", "tensors"};
  for (std::size_t i = 0; i < kMemoryKinds; ++i)
    of_peak.insert(memory_kind_name(static_cast<MemoryKind>(i)));
  for (const char* moment : {"train", "eval"}) {
    EXPECT_EQ(keys(plan.at(moment)), of_peak);
    const std::size_t column = moment == std::string("eval");
    std::int64_t sum = 0;
    for (std::size_t i = 0; i < kMemoryKinds; ++i) {
      const char* name = memory_kind_name(static_cast<MemoryKind>(i));
      const json& bytes = plan.at(moment).at(name);
      sum += bytes.get<std::int64_t>();
      const auto shown = columns(text.out, name);
      if (bytes == 0 && shown.empty()) continue;
      ASSERT_EQ(shown.size(), 2u) << name;
      EXPECT_EQ(shown[column], mebibytes(bytes)) << name;
    }
    EXPECT_EQ(plan.at(moment).at("total"), sum);
    EXPECT_EQ(columns(text.out, "needed").at(column), mebibytes(plan.at(moment).at("total")));
    EXPECT_NE(text.out.find(plan.at(moment).at("peak_in").get<std::string>()), std::string::npos);
  }
  EXPECT_EQ(columns(text.out, "limit").at(0), mebibytes(data.at("limit_bytes")));
  EXPECT_EQ(plan.at("needs_bytes"), std::max(plan.at("train").at("total").get<std::int64_t>(),
                                             plan.at("eval").at("total").get<std::int64_t>()));
}

TEST(PlanCommand, EveryPlanOfTheJsonIsInTheText) {
  const auto [text, data] = ask({"--memory_limit=11.69GiB"});
  for (const auto& [key, title] : {std::pair{"plan", "plan: "},
                                   {"runner_up", "runner-up: needs "},
                                   {"with_more", "with more memory: needs "},
                                   {"with_less", "with less memory: needs "},
                                   {"fastest", "without a limit: needs "},
                                   {"smallest", "the least that works: needs "}}) {
    const json& plan = data.at(key);
    const std::string choice = format(
        "micro_batch_size %ld (%ld piece%s), recompute %s, head_chunk %ld, optimizer_offload %s, "
        "eval_batch_size %ld",
        plan.at("micro_batch_size").get<long>(), plan.at("pieces").get<long>(),
        plan.at("pieces") == 1 ? "" : "s", plan.at("recompute").get<std::string>().c_str(),
        plan.at("head_chunk").get<long>(), plan.at("optimizer_offload").get<std::string>().c_str(),
        plan.at("eval_batch_size").get<long>());
    const auto at = text.out.find(title);
    ASSERT_NE(at, std::string::npos) << title;
    const std::string line = text.out.substr(at, text.out.find('\n', at) - at);
    EXPECT_TRUE(line.ends_with(choice)) << line << "\n" << choice;
    if (key == std::string("plan")) continue;
    EXPECT_NE(line.find(format("needs %.0f MiB", plan.at("needs_bytes").get<double>() / (1 << 20))),
              std::string::npos)
        << line;
  }
  EXPECT_GT(data.at("with_more").at("needs_bytes"), data.at("limit_bytes"));
  EXPECT_LE(data.at("runner_up").at("needs_bytes"), data.at("limit_bytes"));
  EXPECT_LE(data.at("fastest").at("seconds"), data.at("plan").at("seconds"));
}

TEST(PlanCommand, ShowsTheScheduleAndHowLongTheRunTakes) {
  const auto [text, data] =
      ask({"--memory_limit=11.69GiB", "--max_iters=999", "--tokens=1_048_577",
           "--lr_schedule=linear", "--warmup_iters=100", "--lr_decay_iters=1000"});
  ASSERT_EQ(text.code, 0) << text.err;
  EXPECT_NE(text.out.find("learning rate: warm-up over 100 iterations to 0.0006, then linear to "
                          "6e-05 at iteration 1,000\n"),
            std::string::npos)
      << text.out;
  EXPECT_NE(text.out.find("1000 iterations of 524,288 tokens are 524.3M tokens: "),
            std::string::npos)
      << text.out;
  EXPECT_NE(text.out.find("\n3 iterations of 524,288 tokens are 1.573M tokens: "),
            std::string::npos);
  EXPECT_EQ(data.at("length").at("iterations"), 3);
  EXPECT_DOUBLE_EQ(data.at("length").at("seconds"),
                   3 * data.at("plan").at("seconds").get<double>());
}

TEST(PlanCommand, TakesTokensAsPeopleWriteThem) {
  for (const auto& [text, iterations] : {std::pair{"--tokens=10B", 19074.},
                                         {"--tokens=0.3b", 573.},
                                         {"--tokens=524288", 1.},
                                         {"--tokens=1e6", 2.},
                                         {"--tokens=1.5m", 3.}})
    EXPECT_EQ(ask({"--memory_limit=11.69GiB", text}).data.at("length").at("iterations"), iterations)
        << text;
  const TempDir dir;
  for (const char* text : {"--tokens=many", "--tokens=-1", "--tokens=1Q", "--tokens=1BB",
                           "--tokens=nan", "--tokens=inf", "--tokens=1e30"}) {
    const Finished finished = run(dir, story({text}));
    EXPECT_EQ(finished.code, 2) << text;
    EXPECT_NE(finished.err.find("wanted a number of tokens such as 10B"), std::string::npos)
        << finished.err;
  }
}

TEST(PlanCommand, TheImpossibleCaseNamesTheShortfallAndWhatFits) {
  const auto [text, data] = ask({"--memory_limit=1GiB"});
  EXPECT_EQ(text.code, 1);
  EXPECT_EQ(data.at("fits"), false);
  EXPECT_TRUE(data.at("plan").is_null());
  EXPECT_TRUE(data.at("runner_up").is_null());
  const std::int64_t short_of = data.at("shortfall_bytes");
  EXPECT_EQ(short_of, data.at("smallest").at("needs_bytes").get<std::int64_t>() - (1 << 30));
  EXPECT_NE(text.out.find(format("%ld MiB more than the limit of 1024 MiB",
                                 static_cast<long>((short_of + (1 << 20) - 1) >> 20))),
            std::string::npos)
      << text.out;
  const std::string nearest = data.at("nearest");
  EXPECT_NE(text.out.find("this fits: " + nearest), std::string::npos) << text.out;
  std::vector<std::string> flags{"--memory_limit=1GiB"};
  std::istringstream words(nearest);
  for (std::string flag; words >> flag;) flags.push_back(flag);
  ASSERT_GT(flags.size(), 1u);
  EXPECT_EQ(ask(flags).data.at("fits"), true) << nearest;
}

// Next to nothing of a step of half a million tokens, and more than all else of a step of a
// thousand.
TEST(Plan, SaysWhatMuonCosts) {
  const std::vector<std::string> muon{"--optimizer=muon", "--dtype=bfloat16"};
  const Answer usual = ask(muon);
  EXPECT_EQ(usual.text.code, 0);
  EXPECT_NE(usual.text.out.find("Muon's iteration adds"), std::string::npos) << usual.text.out;
  EXPECT_EQ(usual.text.out.find("warning"), std::string::npos) << usual.text.out;
  const double share = usual.data.at("muon_seconds").get<double>() /
                       usual.data.at("plan").at("seconds").get<double>();
  EXPECT_GT(share, 0.002);
  EXPECT_LT(share, 0.006);
  std::vector<std::string> small = muon;
  small.insert(small.end(), {"--batch_size=1", "--gradient_accumulation_steps=1"});
  const Answer much = ask(small);
  EXPECT_NE(much.text.out.find("warning: that is much"), std::string::npos) << much.text.out;
  // One momentum instead of two moments, and the memory of the iteration.
  const Answer adamw = ask({"--dtype=bfloat16", "--optimizer_offload=off"});
  std::vector<std::string> resident = muon;
  resident.emplace_back("--optimizer_offload=off");
  const auto state = [](const Answer& answer) {
    return answer.data.at("plan").at("train").at("optimizer state").get<double>() / (1 << 20);
  };
  EXPECT_NEAR(state(ask(resident)), state(adamw) - 4 * 84.93 * 1e6 / (1 << 20) + 63, 4);
  EXPECT_FALSE(adamw.data.contains("muon_seconds"));
}

}  // namespace
}  // namespace gpt
