#include "gpt/kernels/ops/dropout.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "gpt/kernels/ops/philox.h"

#include "support/tensor_near.h"

namespace gpt {
namespace {

using testing::near;

// Known answers of the Random123 library, philox4x32-10.
TEST(Philox, KnownAnswers) {
  const auto equal = [](PhiloxBlock block, std::array<std::uint32_t, 4> expected) {
    return std::equal(expected.begin(), expected.end(), block.word);
  };
  EXPECT_TRUE(
      equal(philox({{0, 0, 0, 0}}, 0, 0), {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_TRUE(equal(philox({{~0u, ~0u, ~0u, ~0u}}, ~0u, ~0u),
                    {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_TRUE(
      equal(philox({{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}}, 0xa4093822, 0x299f31d0),
            {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(KeyedDropout, IsTheReferenceMaskTimesX) {
  const DropoutPlace place{.seed = 7, .step = 3, .layer = 2, .site = 1};
  const at::Tensor sequence = at::tensor({5, 0, 17}, at::kLong);
  for (const double p : {0.1, 0.25, 0.9}) {
    const at::Tensor x = at::randn({3, 5, 7}, at::kDouble);  // 35 elements: not a multiple of 4
    const at::Tensor mask = keyed_dropout_mask_reference(p, sequence, 35, place).view({3, 5, 7});
    EXPECT_TRUE(near(keyed_dropout(x, p, sequence, place), x * mask, 1e-14)) << p;
    const at::Tensor bf16 = x.to(at::kBFloat16);
    EXPECT_TRUE(at::equal(keyed_dropout(bf16, p, sequence, place).ne(0), mask.ne(0)));
  }
}

TEST(KeyedDropout, GradientGoesThroughTheSameMask) {
  const DropoutPlace place{.seed = 1337, .step = 11, .layer = -1, .site = 3};
  const at::Tensor sequence = at::arange(4);
  at::Tensor x = at::randn({4, 33}, at::kDouble).set_requires_grad(true);
  const at::Tensor up = at::randn({4, 33}, at::kDouble);
  keyed_dropout(x, 0.3, sequence, place).backward(up);
  const at::Tensor mask = keyed_dropout_mask_reference(0.3, sequence, 33, place);
  EXPECT_TRUE(near(x.grad(), up * mask, 1e-14));
}

TEST(KeyedDropout, DoesNotDependOnTheSplit) {
  const DropoutPlace place{.seed = 1, .step = 2, .layer = 0, .site = 0};
  const at::Tensor x = at::ones({6, 10});
  const at::Tensor whole = keyed_dropout(x, 0.5, at::arange(6), place);
  const at::Tensor parts =
      at::cat({keyed_dropout(x.narrow(0, 0, 1), 0.5, at::arange(0, 1), place),
               keyed_dropout(x.narrow(0, 1, 5), 0.5, at::arange(1, 6), place)});
  EXPECT_TRUE(at::equal(whole, parts));
}

TEST(KeyedDropout, EveryPartOfTheKeyMatters) {
  const at::Tensor x = at::ones({1, 256}), zero = at::zeros({1}, at::kLong);
  const DropoutPlace base{.seed = 1, .step = 1, .layer = 1, .site = 1};
  const at::Tensor first = keyed_dropout(x, 0.5, zero, base);
  for (const DropoutPlace& other : {DropoutPlace{2, 1, 1, 1}, DropoutPlace{1, 2, 1, 1},
                                    DropoutPlace{1, 1, 2, 1}, DropoutPlace{1, 1, 1, 2}})
    EXPECT_FALSE(at::equal(first, keyed_dropout(x, 0.5, zero, other)));
  EXPECT_FALSE(at::equal(first, keyed_dropout(x, 0.5, zero + 1, base)));
}

TEST(KeyedDropout, DropsTheAskedShare) {
  const std::int64_t count = 1 << 20;
  const at::Tensor y = keyed_dropout(at::ones({4, count / 4}), 0.2, at::arange(4),
                                     {.seed = 9, .step = 9, .layer = 9, .site = 0});
  // Six standard deviations of a binomial share: sqrt(0.2 * 0.8 / 2^20) = 0.00039.
  EXPECT_NEAR(y.eq(0).to(at::kDouble).mean().item<double>(), 0.2, 0.0024);
  EXPECT_NEAR(y.mean().item<double>(), 1.0, 0.003);
}

TEST(KeyedDropout, ZeroProbabilityIsTheInputItself) {
  const at::Tensor x = at::randn({2, 3});
  EXPECT_TRUE(keyed_dropout(x, 0, at::arange(2), {}).is_same(x));
}

}  // namespace
}  // namespace gpt
