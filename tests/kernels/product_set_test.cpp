// Which set of products is taken, and which of them product_test.cpp tests in this binary.
#include "gpt/kernels/product_set.h"

#include <gtest/gtest.h>

#include "support/product_ways.h"

namespace gpt {

namespace testing {

const bool kProductsEmulated = false;

std::vector<const ProductSet*> product_ways() {
  std::vector<const ProductSet*> ways = runnable_product_sets();
  ways.insert(ways.begin(), nullptr);
  return ways;
}

}  // namespace testing

namespace {

TEST(Product, TheBestSetIsTakenExceptFromIntelCpusWithoutTiles) {
  EXPECT_EQ(set_that_pays(nullptr, /*intel=*/false), nullptr);
  for (const ProductSet* set : runnable_product_sets()) {
    EXPECT_EQ(set_that_pays(set, /*intel=*/false), set);
    EXPECT_EQ(set_that_pays(set, /*intel=*/true), set->name == std::string("amx") ? set : nullptr);
  }
}

}  // namespace
}  // namespace gpt
