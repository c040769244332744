#include "gpu.h"
namespace gpt {
namespace {
using GpuDevice = testing::Gpu;
TEST_F(GpuDevice, X) { EXPECT_EQ(cuda_.index(), 0); }
}
}
