#include "gpt/metrics/metric_names.h"

#include <gtest/gtest.h>

namespace gpt {
namespace {

std::string names_of(std::string_view event, const std::vector<MetricsSink::Entry>& entries) {
  std::string names;
  for (const auto& [name, value] : named_numbers(event, entries)) names += name + " ";
  return names;
}

TEST(MetricNames, AreNanoGptsAndTheTablesOfTheReadme) {
  const MetricsSink::Entry iter{"iter", std::int64_t{3}};
  EXPECT_EQ(names_of("train", {iter,
                               {"loss", 1.0},
                               {"mean_loss", 1.0},
                               {"lr", 1.0},
                               {"mfu", 2.0},
                               {"process_mib", 1.0},
                               {"grad_norm", 1.0}}),
            "train/batch_loss lr mfu memory/process_mib train/grad_norm ");
  EXPECT_EQ(names_of("eval", {iter,
                              {"train/loss", 1.0},
                              {"val/bpb", 1.0},
                              {"best", std::int64_t{1}},
                              {"seconds", 1.0}}),
            "train/loss val/bpb eval/seconds ");
  EXPECT_EQ(names_of("task", {iter, {"hellaswag/acc", 1.0}}), "eval/hellaswag/acc ");
  EXPECT_EQ(names_of("stats", {iter, {"grad_norm/h.0.attn", 1.0}}), "stats/grad_norm/h.0.attn ");
  EXPECT_EQ(names_of("memory", {iter, {"of", "training"}, {"predicted_mib", 1.0}}),
            "memory/predicted_mib/training ");
  EXPECT_EQ(names_of("end", {iter, {"best_val_loss", 1.0}}), "");
}

TEST(MetricNames, UtilisationThatIsNotKnownYetIsNoZero) {
  EXPECT_EQ(names_of("train", {{"mfu", 0.0}, {"lr", 0.0}}), "lr ");
}

TEST(MetricNames, HoldNothingThatAReaderStumblesOver) {
  EXPECT_EQ(metric_name("a b\n<c>\"\xc3\xa9/x_-.9"), "a_b__c____/x_-.9");
  EXPECT_EQ(metric_name(std::string(1000, 'x')).size(), 200u);
}

TEST(MetricNames, WordsOfEvents) {
  EXPECT_EQ(event_text("replanned", {{"reason", "no memory"}}), "no memory");
  EXPECT_EQ(event_text("probe", {{"from", "a"}, {"to", "b"}, {"iter", std::int64_t{1}}}), "a, b");
  EXPECT_EQ(event_text("sample", {{"prompt", "To"}, {"text", "be"}}), "be");
  EXPECT_EQ(event_text("train", {{"loss", 1.0}}), "");
}

}  // namespace
}  // namespace gpt
