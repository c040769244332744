#include "gpt/data/window_order.h"

#include <algorithm>
#include <cmath>
#include <set>

#include <gtest/gtest.h>

namespace gpt {
namespace {

constexpr std::int64_t kBlock = 8;

std::vector<std::int64_t> offsets(const WindowOrder& order, std::int64_t count,
                                  WindowOrder::Counts taken = {0}) {
  std::vector<std::int64_t> all;
  for (std::int64_t i = 0; i < count; ++i) all.push_back(order.next(taken).offset);
  return all;
}

// Sizes that are no power of two are most of these.
TEST(WindowOrder, AShuffledEpochHasEveryWindowOnce) {
  std::set<std::int64_t> shifts;
  for (std::int64_t tokens = kBlock + 1; tokens < 70 * kBlock; tokens += tokens < 40 ? 1 : 7) {
    const WindowOrder order("shuffle", tokens, kBlock, {{tokens, 1}});
    const std::int64_t windows = order.windows_per_epoch(0);
    ASSERT_GE(windows, std::max<std::int64_t>(1, tokens / kBlock - 1));
    const auto three = offsets(order, 3 * windows);
    for (auto epoch = three.begin(); epoch != three.end(); epoch += windows) {
      std::vector<std::int64_t> sorted(epoch, epoch + windows);
      std::sort(sorted.begin(), sorted.end());
      ASSERT_GE(sorted.front(), 0);
      ASSERT_LT(sorted.front(), kBlock);
      ASSERT_LE(sorted.back(), tokens - kBlock - 1) << tokens;
      for (std::size_t i = 1; i < sorted.size(); ++i)
        ASSERT_EQ(sorted[i] - sorted[i - 1], kBlock) << tokens;
      shifts.insert(sorted.front());
    }
  }
  EXPECT_EQ(shifts.size(), static_cast<std::size_t>(kBlock));
}

TEST(WindowOrder, EpochsAndSeedsHaveOrdersOfTheirOwn) {
  const std::vector<WindowOrder::Source> source{{1001 * kBlock, 1}};
  const WindowOrder order("shuffle", 1, kBlock, source), other("shuffle", 2, kBlock, source);
  const auto all = offsets(order, 2000), others = offsets(other, 1000);
  const auto same = [](auto a, auto b) {
    std::int64_t count = 0;
    for (int i = 0; i < 1000; ++i) count += *a++ / kBlock == *b++ / kBlock;
    return count;
  };
  std::vector<std::int64_t> in_order(1000);
  for (std::size_t i = 0; i < 1000; ++i) in_order[i] = static_cast<std::int64_t>(i) * kBlock;
  // Two random orders have one window in common on average.
  EXPECT_LT(same(all.begin(), all.begin() + 1000), 9);
  EXPECT_LT(same(all.begin(), others.begin()), 9);
  EXPECT_LT(same(all.begin(), in_order.begin()), 9);
  // Neighbours in the text are no neighbours in the order.
  std::int64_t next = 0;
  for (std::size_t i = 1; i < 1000; ++i) next += all[i] - all[i - 1] == kBlock;
  EXPECT_LT(next, 9);
  // A window's distance from where it lies in the text is a third of them on average.
  double far = 0;
  for (std::size_t i = 0; i < 1000; ++i)
    far += std::abs(static_cast<double>(all[i] / kBlock) - static_cast<double>(i)) / 1000;
  EXPECT_NEAR(far, 333, 40);
}

TEST(WindowOrder, ContinuesFromAnyCount) {
  const std::vector<WindowOrder::Source> sources{{500, 0.7}, {333, 0.3}};
  for (const char* kind : {"random", "shuffle", "sequential"}) {
    const WindowOrder order(kind, 3, kBlock, sources);
    WindowOrder::Counts taken{0, 0};
    std::vector<Window> all;
    std::vector<WindowOrder::Counts> counts;
    for (int i = 0; i < 400; ++i) {
      counts.push_back(taken);
      all.push_back(order.next(taken));
    }
    for (const std::size_t at : {0, 1, 57, 399}) {
      WindowOrder::Counts from = counts[at];
      EXPECT_EQ(order.next(from), all[at]) << kind;
    }
  }
}

TEST(WindowOrder, SequentialGoesFromTheStartAndAgain) {
  const WindowOrder order("sequential", 3, kBlock, {{3 * kBlock + 1, 1}});
  EXPECT_EQ(offsets(order, 7), (std::vector<std::int64_t>{0, 8, 16, 0, 8, 16, 0}));
  EXPECT_EQ(order.tokens_per_epoch(0), 3 * kBlock);
}

TEST(WindowOrder, SourcesHaveTheirShares) {
  const WindowOrder order("random", 5, kBlock, {{1000, 0.7}, {20, 0.1}, {kBlock + 1, 0.2}});
  WindowOrder::Counts taken{0, 0, 0};
  std::int64_t last = 0;
  for (int i = 0; i < 20000; ++i) {
    const Window window = order.next(taken);
    const std::int64_t places[] = {1000 - kBlock, 20 - kBlock, 1};
    ASSERT_GE(window.offset, 0);
    ASSERT_LT(window.offset, places[window.source]);
    last += window.source == 0 && window.offset == 1000 - kBlock - 1;
  }
  EXPECT_GT(last, 0);
  EXPECT_NEAR(static_cast<double>(taken[0]) / 20000, 0.7, 0.015);
  EXPECT_NEAR(static_cast<double>(taken[1]) / 20000, 0.1, 0.01);
  EXPECT_EQ(order.source_at(0.0), 0u);
  EXPECT_EQ(order.source_at(0.75), 1u);
  EXPECT_EQ(order.source_at(0.9999999), 2u);
  EXPECT_EQ(order.tokens_per_epoch(0), 1000);
}

// The shift moves with the epoch even where there is room for little.
// Two seeds agree as often as chance has it, the same one always.
TEST(WindowOrder, WhichSourceComesIsOfTheSeed) {
  const std::vector<WindowOrder::Source> sources{{100 * kBlock, 0.5}, {100 * kBlock, 0.5}};
  for (const char* kind : {"random", "shuffle", "sequential"}) {
    const auto drawn = [&](std::int64_t seed) {
      const WindowOrder order(kind, seed, kBlock, sources);
      WindowOrder::Counts taken{0, 0};
      std::vector<std::int64_t> all;
      for (int i = 0; i < 1000; ++i) all.push_back(order.next(taken).source);
      return all;
    };
    const auto first = drawn(1), other = drawn(2);
    EXPECT_EQ(first, drawn(1));
    int same = 0;
    for (std::size_t i = 0; i < first.size(); ++i) same += first[i] == other[i];
    EXPECT_NEAR(same, 500, 80) << kind;
  }
}

TEST(WindowOrder, AFileOfOneWindowWillDo) {
  const WindowOrder order("shuffle", 5, kBlock, {{kBlock + 3, 1}});
  const auto all = offsets(order, 60);
  EXPECT_EQ(std::set(all.begin(), all.end()), (std::set<std::int64_t>{0, 1, 2}));
}

}  // namespace
}  // namespace gpt
