// The table of the GPU engine's memory where it counts.
#include "gpu.h"
#include "support/gpu_table.h"

namespace gpt {
namespace {

using testing::TableCase;

using GpuMemoryTable = testing::Gpu;

// Large enough that a library's workspace, made by whichever test came first, does not decide.
TEST_F(GpuMemoryTable, IsWithinThreePercentOfTheMeasured) {
  const at::ScalarType half = device_facts().cuda_bf16 ? at::kBFloat16 : at::kHalf;
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
