#include "support/instruction_sets.h"

#include <gtest/gtest.h>

namespace gpt {

namespace testing {

const bool kEmulatedInstructions = false;

std::vector<const ProductSet*> product_ways() {
  std::vector<const ProductSet*> ways = runnable_product_sets();
  ways.insert(ways.begin(), nullptr);
  return ways;
}

std::vector<const VectorKernels*> vector_ways() {
  return runnable_vector_kernels();
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
