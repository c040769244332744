#include "gpt/kernels/device_choices.h"

#include <ATen/Context.h>
#include <gtest/gtest.h>

#include "gpt/base/error.h"
#include "gpt/kernels/ops/attention.h"

namespace gpt {
namespace {

using enum AttentionKernel;

class DeviceChoicesOf : public ::testing::Test {
 protected:
  ~DeviceChoicesOf() override { set_device_choices(std::nullopt); }

  const DeviceChoices some_{.attention = {kCudnn, kFlash, kEfficient},
                            .gemm_level = GemmLevel::kFirst,
                            .gemm = {{"8x8 * 8x8", GemmAlgorithm{1, 2, 3, 4, 5, 6, 7, ~0ull}},
                                     {"9x9 * 9x9", std::nullopt}},
                            .kernels = false,
                            .fused = false,
                            .graphs = false,
                            .expandable_segments = false,
                            .machine = "a card"};
};

TEST_F(DeviceChoicesOf, ComeBackFromTheirJson) {
  EXPECT_EQ(parse_device_choices(to_json(some_), "x"), some_);
  EXPECT_EQ(parse_device_choices(to_json(DeviceChoices()), "x"), DeviceChoices());
  for (const char* wrong : {"", "{}", "[]", "{\"attention\": [\"fast\"]}"})
    EXPECT_THROW(parse_device_choices(wrong, "x"), InputError) << wrong;
}

TEST_F(DeviceChoicesOf, AreTheProcessesAndCounted) {
  EXPECT_EQ(device_choices(), nullptr);
  EXPECT_TRUE(own_kernels_allowed());
  const std::int64_t before = device_choices_version();
  set_device_choices(some_);
  EXPECT_EQ(*device_choices(), some_);
  EXPECT_FALSE(own_kernels_allowed());
  EXPECT_GT(device_choices_version(), before);
}

// On a GPU that is not here: with choices nothing is measured.
TEST_F(DeviceChoicesOf, DecideWhichAttentionRuns) {
  const at::Device card(at::kCUDA, 0);
  const AttentionShape bf16{2, 3, 64, 64, at::kBFloat16, card}, f32{2, 3, 64, 64, at::kFloat, card},
      odd{2, 3, 64, 63, at::kBFloat16, card}, wide{2, 3, 64, 192, at::kBFloat16, card};
  set_device_choices(some_);
  EXPECT_EQ(choose_attention(bf16, /*dropout=*/false, /*deterministic=*/false), kCudnn);
  EXPECT_EQ(choose_attention(bf16, false, true), kFlash);
  EXPECT_EQ(choose_attention(bf16, true, false), kPlain);
  EXPECT_EQ(choose_attention(wide, false, false), kFlash) << "cuDNN has heads of up to 128";
  EXPECT_EQ(choose_attention(f32, false, false), kEfficient);
  EXPECT_EQ(choose_attention(odd, false, false), kPlain);
  for (const auto& [allowed, chosen] : {std::pair{std::vector{kFlash, kEfficient}, kFlash},
                                        {std::vector{kEfficient}, kEfficient},
                                        {std::vector<AttentionKernel>{}, kPlain}}) {
    set_device_choices(DeviceChoices{.attention = allowed});
    EXPECT_EQ(choose_attention(bf16, false, false), chosen);
  }
}

// The eager engine's attention is LibTorch's choice among what it is allowed.
TEST_F(DeviceChoicesOf, HoldForLibTorchsOwnChoiceToo) {
  at::Context& context = at::globalContext();
  set_device_choices(DeviceChoices{.attention = {kEfficient}});
  EXPECT_FALSE(context.userEnabledFlashSDP() || context.userEnabledCuDNNSDP());
  EXPECT_TRUE(context.userEnabledMemEfficientSDP() && context.userEnabledMathSDP());
  set_device_choices(std::nullopt);
  EXPECT_TRUE(context.userEnabledFlashSDP() && context.userEnabledCuDNNSDP());
}

}  // namespace
}  // namespace gpt
