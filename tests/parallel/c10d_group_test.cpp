// Collectives against plain sums and copies.
#include <atomic>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "gpt/parallel/join.h"

#include "support/ranks.h"

namespace gpt {
namespace {

using testing::run_ranks;

// Processes, and whether they share memory.
class Collectives : public ::testing::TestWithParam<std::tuple<int, bool>> {
 protected:
  void run(const std::function<void(ProcessGroup&)>& work) const {
    for (const std::string& error : run_ranks(size(), work, std::chrono::seconds(60), shares()))
      EXPECT_EQ(error, "");
  }
  int size() const { return std::get<0>(GetParam()); }
  bool shares() const { return std::get<1>(GetParam()); }
};

// What a rank holds: odd sizes, a scalar, a view that is not contiguous, nothing at all.
std::vector<at::Tensor> tensors_of(int rank) {
  const auto random = [&](at::IntArrayRef sizes, int seed) {
    return at::sin(at::arange(at::empty(sizes).numel(), at::kFloat) + 10 * seed + rank).view(sizes);
  };
  return {random({7}, 1),        random({3, 5}, 2), random({}, 3).to(at::kDouble),
          random({4, 6}, 4).t(), random({0}, 5),    random({1000, 129}, 6)};
}

std::vector<at::Tensor> copies(const std::vector<at::Tensor>& tensors) {
  std::vector<at::Tensor> list;
  for (const at::Tensor& tensor : tensors) list.push_back(tensor.clone());
  return list;
}

TEST_P(Collectives, SumOfEveryKindOfTensor) {
  run([&](ProcessGroup& group) {
    const auto tensors = tensors_of(group.rank());
    std::vector<at::Tensor> expected = copies(tensors_of(0));
    for (int rank = 1; rank < size(); ++rank)
      for (std::size_t i = 0; i < expected.size(); ++i) expected[i].add_(tensors_of(rank)[i]);
    group.sum(tensors);
    for (std::size_t i = 0; i < expected.size(); ++i)
      EXPECT_TRUE(at::allclose(tensors[i], expected[i], 1e-6, 1e-6)) << i;
  });
}

// Larger than a bucket, and in views that follow each other in memory.
TEST_P(Collectives, SumOfLargeTensors) {
  run([&](ProcessGroup& group) {
    const at::Tensor flat = at::full({10'000'019}, 1.0F + static_cast<float>(group.rank()));
    group.sum({flat.narrow(0, 0, 9'000'000), flat.narrow(0, 9'000'000, 19),
               flat.narrow(0, 9'000'019, 1'000'000)});
    EXPECT_TRUE(at::equal(flat, at::full_like(flat, 0.5F * size() * (size() + 1))));
  });
}

TEST_P(Collectives, AllHaveTheSameBitsOfASum) {
  std::vector<at::Tensor> sums(static_cast<std::size_t>(size()));
  run([&](ProcessGroup& group) {
    const at::Tensor x = tensors_of(group.rank())[5] * 1e-3;
    group.sum({x});
    sums[static_cast<std::size_t>(group.rank())] = x;
  });
  for (const at::Tensor& sum : sums) EXPECT_TRUE(at::equal(sum, sums.front()));
}

TEST_P(Collectives, ReduceScatterAndAllGather) {
  run([&](ProcessGroup& group) {
    // Each process owns some rows of x, and the last one a tensor besides.
    const at::Tensor x = at::arange(101 * 3, at::kFloat).view({101, 3}) * (group.rank() + 1);
    const at::Tensor bias = at::ones({5}) * (group.rank() + 1);
    OwnedTensors of_rank;
    for (int rank = 0; rank < size(); ++rank) {
      const std::int64_t begin = 101 * rank / size(), end = 101 * (rank + 1) / size();
      of_rank.push_back({x.narrow(0, begin, end - begin)});
    }
    of_rank.back().push_back(bias);
    const double factor = 0.5 * size() * (size() + 1);
    const at::Tensor all = at::arange(101 * 3, at::kFloat).view({101, 3}) * factor;
    group.reduce_scatter(of_rank);
    const std::int64_t begin = 101 * group.rank() / size(), end = 101 * (group.rank() + 1) / size();
    EXPECT_TRUE(at::allclose(x.slice(0, begin, end), all.slice(0, begin, end)));
    const at::Tensor summed = group.rank() + 1 == size() ? bias : at::full({5}, factor);
    EXPECT_TRUE(at::allclose(summed, at::full({5}, factor)));
    group.all_gather(of_rank);
    EXPECT_TRUE(at::allclose(x, all));
    EXPECT_TRUE(at::allclose(bias, at::full({5}, factor)));
  });
}

TEST_P(Collectives, GatherBringsAllToTheFirst) {
  run([&](ProcessGroup& group) {
    const bool first = group.is_first();
    const at::Tensor whole = at::zeros({size(), 4});
    OwnedTensors of_rank(static_cast<std::size_t>(size()));
    const auto own = static_cast<std::size_t>(group.rank());
    if (first)
      for (int rank = 0; rank < size(); ++rank) of_rank[rank] = {whole[rank]};
    of_rank[own] = {first ? whole[0] : at::full({4}, static_cast<float>(group.rank()))};
    group.gather(of_rank);
    if (!first) return;
    for (int rank = 0; rank < size(); ++rank)
      EXPECT_TRUE(at::equal(whole[rank], at::full({4}, static_cast<float>(rank))));
  });
}

TEST_P(Collectives, BroadcastTextsAndLargest) {
  run([&](ProcessGroup& group) {
    const at::Tensor x = at::full({3}, static_cast<float>(group.rank()));
    group.broadcast({x});
    EXPECT_TRUE(at::equal(x, at::zeros({3})));
    const auto texts = group.all_texts("I am " + std::to_string(group.rank()));
    ASSERT_EQ(texts.size(), static_cast<std::size_t>(size()));
    for (int rank = 0; rank < size(); ++rank)
      EXPECT_EQ(texts[rank], "I am " + std::to_string(rank));
    EXPECT_EQ(group.max(group.rank()), size() - 1);
    EXPECT_TRUE(group.any(group.rank() == size() - 1));
    EXPECT_FALSE(group.any(false));
    EXPECT_EQ(group.local_size(), size());
    EXPECT_EQ(group.local_rank(), group.rank());
    EXPECT_NEAR(group.core_share(), 1.0 / size(), 1e-9);
  });
}

TEST_P(Collectives, AWarningIsSaidOnce) {
  std::atomic<int> first = 0;
  run([&](ProcessGroup& group) { first += group.says_first("the same") ? 1 : 0; });
  EXPECT_EQ(first, 1);
}

TEST_P(Collectives, MemoryThatRunsOutInOneRunsOutInAll) {
  std::atomic<int> others = 0;
  run([&](ProcessGroup& group) {
    if (group.rank() + 1 == size())
      group.report_out_of_memory();
    else
      try {
        group.sum({at::ones({3})});
      } catch (const OutOfMemoryElsewhere&) {
        ++others;
      }
    const at::Tensor x = at::ones({1});  // and they continue together
    group.sum({x});
    EXPECT_EQ(x.item<float>(), size());
  });
  EXPECT_EQ(others, size() - 1);
}

TEST_P(Collectives, GoThroughMemoryWhereTheyMay) {
  run([&](ProcessGroup& group) {
    EXPECT_EQ(group.transport(), shares() ? "shared memory" : "gloo");
  });
}

INSTANTIATE_TEST_SUITE_P(Sizes, Collectives,
                         ::testing::Combine(::testing::Values(2, 3, 4), ::testing::Bool()),
                         [](const auto& of) {
                           return std::to_string(std::get<0>(of.param)) +
                                  (std::get<1>(of.param) ? "Memory" : "Gloo");
                         });

TEST(LostProcess, ThatEndsWithAnErrorIsNamedWithIt) {
  const auto errors = run_ranks(3, [](ProcessGroup& group) {
    group.barrier();
    if (group.rank() == 1) {
      group.report_failure("its disk is on fire");
      return;
    }
    group.sum({at::ones({3})});
  });
  for (const int rank : {0, 2}) {
    EXPECT_NE(errors[rank].find("rank 1 ("), std::string::npos) << errors[rank];
    EXPECT_NE(errors[rank].find("its disk is on fire"), std::string::npos) << errors[rank];
  }
}

TEST(LostProcess, ThatDoesNotComeIsNamedAfterTheTimeout) {
  std::atomic<bool> over = false;
  const auto errors = run_ranks(
      2,
      [&](ProcessGroup& group) {
        group.barrier();
        if (group.rank() == 0) {
          while (!over) std::this_thread::sleep_for(std::chrono::milliseconds(10));
          return;
        }
        try {
          group.sum({at::ones({3})});
        } catch (const Error&) {
          over = true;
          throw;
        }
      },
      std::chrono::seconds(3));
  EXPECT_NE(errors[1].find("rank 0 ("), std::string::npos) << errors[1];
  EXPECT_NE(errors[1].find("is alive and has not come"), std::string::npos) << errors[1];
  EXPECT_NE(errors[1].find("3s"), std::string::npos) << errors[1];
}

TEST(LostProcess, OneThatNeverStartsIsWaitedForOnlySoLong) {
  LaunchInfo info;
  info.launcher = "test";
  info.size = 2;
  info.address = "127.0.0.1";
  info.port = testing::free_port();
  try {
    join_processes(info, std::chrono::seconds(1));
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("did not meet at 127.0.0.1:"), std::string::npos)
        << error.what();
  }
}

}  // namespace
}  // namespace gpt
