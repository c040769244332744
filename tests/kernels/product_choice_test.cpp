#include "gpt/kernels/product_choice.h"

#include <cmath>

#include <gtest/gtest.h>

namespace gpt {
namespace {

TEST(ProductChoice, OwnProductsMustBeClearlyFaster) {
  EXPECT_FALSE(own_products_pay({.mkl = 1.0, .own = 2.0}));
  EXPECT_FALSE(own_products_pay({.mkl = 1.0, .own = 1.0}));
  EXPECT_FALSE(own_products_pay({.mkl = 1.2, .own = 1.0}));  // MKL at its best, a noisy machine
  EXPECT_TRUE(own_products_pay({.mkl = 1.4, .own = 1.0}));
  EXPECT_TRUE(own_products_pay({.mkl = 2.2e-3, .own = 1e-3}));  // its slow path
}

// In place of a set's products.
template <class T>
void none(Extent, ProductSide<T>, ProductSide<T>, const unsigned char*, MutF32, Into,
          unsigned char*) {}

TEST(ProductChoice, EachTypeIsChosenByItsOwnTimes) {
  ProductSet set{.name = "set", .f32 = {}, .bf16 = {}};
  set.f32.multiply = none<float>;
  set.bf16.multiply = none<Bf16>;
  const ProductTimes slow_mkl{.mkl = 2, .own = 1}, fast_mkl{.mkl = 1, .own = 1};
  const auto chosen = [&](ProductTimes f32, ProductTimes bf16) {
    const ProductSet left = where_it_pays(set, f32, bf16);
    const auto whose = [](auto* now, auto* before) {
      return now == before ? 'o' : now ? '?' : 'm';
    };
    return std::pair(whose(left.f32.multiply, set.f32.multiply),
                     whose(left.bf16.multiply, set.bf16.multiply));
  };
  EXPECT_EQ(chosen(slow_mkl, slow_mkl), std::pair('o', 'o'));
  EXPECT_EQ(chosen(slow_mkl, fast_mkl), std::pair('o', 'm'));
  EXPECT_EQ(chosen(fast_mkl, slow_mkl), std::pair('m', 'o'));
  EXPECT_EQ(chosen(fast_mkl, fast_mkl), std::pair('m', 'm'));
}

TEST(ProductChoice, EverySetCanBeMeasured) {
  for (const ProductSet* set : runnable_product_sets())
    for (const ProductTimes times : {measure_f32(*set), measure_bf16(*set)})
      for (const double seconds : {times.mkl, times.own})
        EXPECT_TRUE(seconds > 0 && std::isfinite(seconds)) << set->name << ": " << seconds;
}

}  // namespace
}  // namespace gpt
