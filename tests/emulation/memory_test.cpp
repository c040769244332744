// The table of the tensor engine's memory on the CPU, where the counting allocator sees every
// tensor: through the kernels' sources, so that nothing is made that a GPU would not make.
#include <ATen/ATen.h>

#include "gpt/device/cpu_memory.h"

#include "emulated.h"
#include "support/tensor_table.h"

namespace gpt {
namespace {

using testing::Emulated;
using testing::TableCase;

// With AVX-512, and with AMX more, oneDNN would take memory of its own for this product.
TEST(EmulatedMemory, HoldsTensorsAlone) {
  install_cpu_memory();
  const Emulated emulated;
  const at::Tensor a_BMK = at::ones({8, 128, 128}, at::kBFloat16);
  at::bmm(a_BMK, a_BMK);  // what libraries make once
  const std::uint64_t before = cpu_memory_now();
  reset_cpu_memory_peak();
  const at::Tensor product_BMN = at::bmm(a_BMK, a_BMK);
  EXPECT_EQ(cpu_memory_peak() - before, cpu_block_bytes(product_BMN.nbytes()));
}

class TensorTable : public ::testing::TestWithParam<TableCase> {};

TEST_P(TensorTable, IsWithinThreePercentOfTheMeasured) {
  install_cpu_memory();
  const Emulated emulated;
  testing::expect_peaks_as_planned(GetParam(), at::kCPU);
}

INSTANTIATE_TEST_SUITE_P(
    Configs, TensorTable,
    ::testing::Values(TableCase{"float32", 2, 2, 32, 64, 4, 61, 64, at::kFloat, false, 0},
                      TableCase{"bfloat16", 3, 2, 32, 64, 4, 61, 64, at::kBFloat16, false, 0},
                      TableCase{"one block", 1, 2, 32, 64, 4, 61, 64, at::kHalf, false, 0},
                      TableCase{"head", 2, 2, 16, 64, 4, 2000, 256, at::kBFloat16, false, 0},
                      TableCase{"padded head", 1, 2, 32, 16, 2, 129, 32, at::kHalf, false, 0},
                      TableCase{"padded logits", 1, 2, 32, 16, 4, 513, 128, at::kFloat, false, 0},
                      TableCase{"plain attention", 2, 4, 32, 128, 2, 50, 32, at::kFloat, true, 0},
                      TableCase{"groups", 1, 9, 18, 512, 2, 50, 64, at::kFloat, true, 0},
                      TableCase{"dropout", 2, 4, 32, 128, 2, 50, 32, at::kBFloat16, false, 0.2},
                      TableCase{"documents", 1, 2, 8, 256, 4, 50, 32, at::kBFloat16, false, 0,
                                /*documents=*/true},
                      TableCase{"dropout in tiles", 2, 4, 64, 128, 2, 50, 32, at::kBFloat16, false,
                                0.2, /*documents=*/false, /*tiled=*/true},
                      TableCase{"documents in tiles", 1, 2, 32, 128, 2, 50, 32, at::kHalf, false, 0,
                                /*documents=*/true, /*tiled=*/true}));

}  // namespace
}  // namespace gpt
