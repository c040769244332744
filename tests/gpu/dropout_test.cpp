#include "gpt/kernels/ops/dropout.h"

#include "gpu.h"

namespace gpt {
namespace {

class GpuDropout : public testing::Gpu {
 protected:
  const DropoutPlace place_{.seed = 1337, .step = 5, .layer = 3, .site = 2};
  const at::Tensor sequence_ = at::tensor({5, 0, 17}, at::kLong);
};

// One multiplication per element, in the same precision: no reason for another bit anywhere.
TEST_F(GpuDropout, EqualsTheCpuBitForBit) {
  for (const at::ScalarType type : {at::kFloat, at::kDouble, at::kBFloat16, at::kHalf}) {
    for (const std::int64_t width : {1, 3, 4, 35, 1023, 4096, 70001}) {
      const at::Tensor x = at::randn({3, width}, at::kDouble).to(type);
      for (const double p : {0.1, 0.5, 0.9}) {
        const at::Tensor on_gpu = keyed_dropout(x.to(cuda_), p, sequence_, place_);
        EXPECT_TRUE(at::equal(on_gpu.cpu(), keyed_dropout(x, p, sequence_, place_)))
            << type << " " << width << " " << p;
      }
    }
  }
}

// More quads than one grid has threads, so that the kernel's stride is walked.
TEST_F(GpuDropout, LargeTensorsToo) {
  const at::Tensor x = at::ones({3, 23000001});
  EXPECT_TRUE(at::equal(keyed_dropout(x.to(cuda_), 0.2, sequence_, place_).cpu(),
                        keyed_dropout(x, 0.2, sequence_, place_)));
}

TEST_F(GpuDropout, GradientGoesThroughTheSameMask) {
  const at::Tensor up = at::randn({3, 6, 11});
  const auto gradient = [&](const c10::Device& device) {
    at::Tensor x = at::ones({3, 6, 11}, at::TensorOptions().device(device)).set_requires_grad(true);
    keyed_dropout(x, 0.3, sequence_, place_).backward(up.to(device));
    return x.grad().cpu();
  };
  EXPECT_TRUE(at::equal(gradient(cuda_), gradient(cpu_)));
}

// Attention weights reach dropout in (B, H, T, T) views that need not be contiguous.
TEST_F(GpuDropout, ViewsAreReadInTheirOwnOrder) {
  const at::Tensor x = at::randn({3, 8, 6}).transpose(1, 2);
  EXPECT_TRUE(at::equal(keyed_dropout(x.to(cuda_), 0.4, sequence_, place_).cpu(),
                        keyed_dropout(x, 0.4, sequence_, place_)));
}

}  // namespace
}  // namespace gpt
