#include "support/instruction_sets.h"

#include <gtest/gtest.h>

namespace gpt {

namespace testing {

const bool kEmulatedInstructions = false;

std::vector<const GemmBackend*> gemm_ways() {
  std::vector<const GemmBackend*> ways = runnable_gemm_backends();
  ways.insert(ways.begin(), nullptr);
  return ways;
}

std::vector<const RowKernels*> row_kernel_ways() {
  return runnable_row_kernels();
}

}  // namespace testing

namespace {

TEST(Product, TheBestSetIsTakenExceptFromIntelCpusWithoutTiles) {
  EXPECT_EQ(preferred_backend(nullptr, /*intel=*/false), nullptr);
  for (const GemmBackend* set : runnable_gemm_backends()) {
    EXPECT_EQ(preferred_backend(set, /*intel=*/false), set);
    EXPECT_EQ(preferred_backend(set, /*intel=*/true),
              set->name == std::string("amx") ? set : nullptr);
  }
}

}  // namespace
}  // namespace gpt
