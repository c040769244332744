#include "gpt/dataprep/ordered_pipeline.h"

#include <atomic>
#include <stdexcept>
#include <string>

#include <gtest/gtest.h>

namespace gpt {
namespace {

using Work = OrderedPipeline<int, int>;
constexpr auto kPatience = std::chrono::milliseconds(20);

Work::Make count_to(int end) {
  return [end, next = 0](const std::stop_token&) mutable {
    return next < end ? std::optional(next++) : std::nullopt;
  };
}

// All that comes, and "end" or the text of what was thrown.
std::pair<std::vector<int>, std::string> all_of(Work& work) {
  std::vector<int> results;
  try {
    while (true) {
      int result = -1;
      const auto taken = work.take(result, kPatience);
      if (taken == Work::Taken::kEnd) return {results, "end"};
      if (taken == Work::Taken::kResult) results.push_back(result);
    }
  } catch (const std::runtime_error& error) {
    return {results, error.what()};
  }
}

TEST(OrderedPipeline, ResultsComeInOrderWhateverTheThreadsDo) {
  for (const int threads : {1, 2, 7}) {
    Work work(
        threads, 10, count_to(500), [](int) { return 1; },
        [](int&& item) {
          if (item % 13 == 0) std::this_thread::sleep_for(std::chrono::microseconds(300));
          return item * item;
        });
    const auto [results, end] = all_of(work);
    ASSERT_EQ(results.size(), 500u);
    for (int i = 0; i < 500; ++i) EXPECT_EQ(results[static_cast<std::size_t>(i)], i * i);
    EXPECT_EQ(end, "end");
  }
}

TEST(OrderedPipeline, TheWeightInFlightIsBounded) {
  std::atomic<int> made = 0, taken = 0, most = 0;
  Work work(
      3, 8,
      [&](const std::stop_token&) -> std::optional<int> {
        if (made == 200) return std::nullopt;
        most = std::max<int>(most, made - taken);
        return ++made;
      },
      [](int) { return 2; }, [](int&& item) { return item; });
  int result = 0;
  while (work.take(result, kPatience) == Work::Taken::kResult) ++taken;
  EXPECT_EQ(taken, 200);
  EXPECT_LE(most, 4);
  EXPECT_GE(most, 3);
}

TEST(OrderedPipeline, ErrorsKeepTheirPlace) {
  Work bad_work(
      4, 100, count_to(50), [](int) { return 1; },
      [](int&& item) {
        if (item == 20) throw std::runtime_error("twenty");
        return item;
      });
  const auto [results, end] = all_of(bad_work);
  EXPECT_EQ(results.size(), 20u);
  EXPECT_EQ(end, "twenty");
  Work bad_make(
      4, 100,
      [next = 0](const std::stop_token&) mutable -> std::optional<int> {
        if (next == 7) throw std::runtime_error("seven");
        return next++;
      },
      [](int) { return 1; }, [](int&& item) { return item; });
  const auto [made, why] = all_of(bad_make);
  EXPECT_EQ(made.size(), 7u);
  EXPECT_EQ(why, "seven");
}

TEST(OrderedPipeline, CanBeDroppedAtAnyTime) {
  for (const int takes : {0, 1, 5}) {
    Work work(
        2, 3, count_to(1000000), [](int) { return 1; }, [](int&& item) { return item; });
    int result = 0;
    for (int i = 0; i < takes;)
      if (work.take(result, kPatience) == Work::Taken::kResult) ++i;
  }
  // A source that waits must see the request to stop.
  Work waiting(
      1, 3,
      [](const std::stop_token& stop) -> std::optional<int> {
        while (!stop.stop_requested()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
        return std::nullopt;
      },
      [](int) { return 1; }, [](int&& item) { return item; });
  int result = 0;
  EXPECT_EQ(waiting.take(result, kPatience), Work::Taken::kNothingYet);
}

}  // namespace
}  // namespace gpt
