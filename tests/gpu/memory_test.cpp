// The table of the tensor engine's memory where it counts.
#include "gpu.h"
#include "support/tensor_table.h"

namespace gpt {
namespace {

using testing::TableCase;

using GpuMemoryTable = testing::Gpu;

TEST_F(GpuMemoryTable, IsWithinThreePercentOfTheMeasured) {
  const at::ScalarType half = device_facts().cuda_bf16() ? at::kBFloat16 : at::kHalf;
  // Written-out scores ask every library for its workspace; what is measured is without them.
  testing::measured_peaks({"first", 1, 12, 768, 64, 4, 100, 64, half, false, 0.1}, Recompute::kNone,
                          cuda_);
  for (const TableCase& c :
       {TableCase{"blocks", 6, 12, 768, 1024, 8, 1000, 8192, half, false, 0},
        TableCase{"head", 2, 12, 768, 1024, 8, 50304, 8192, half, false, 0},
        TableCase{"dropout", 2, 12, 768, 1024, 4, 1000, 1024, half, false, 0.1}}) {
    testing::expect_peaks_as_planned(c, cuda_);
    release_cached_memory(cuda_);
  }
}

}  // namespace
}  // namespace gpt
