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
                            .tiled_attention = true,
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

TEST_F(DeviceChoicesOf, DecideWhichAttentionTakesDropoutAndDocuments) {
  const auto chosen = [](const DeviceChoices& choices, at::ScalarType type, std::int64_t D) {
    set_device_choices(choices);
    return choose_attention({2, 3, 64, D, type, at::Device(at::kCUDA, 0)}, /*masked=*/true,
                            /*deterministic=*/true);
  };
  const DeviceChoices tiled{.attention = {kFlash}, .tiled_attention = true};
  for (const std::int64_t D : {16, 80, 128}) EXPECT_EQ(chosen(tiled, at::kHalf, D), kTiled) << D;
  for (const std::int64_t D : {8, 72, 144}) EXPECT_EQ(chosen(tiled, at::kHalf, D), kPlain) << D;
  EXPECT_EQ(chosen(tiled, at::kBFloat16, 64), kTiled);
  EXPECT_EQ(chosen(tiled, at::kFloat, 64), kPlain);
  EXPECT_EQ(chosen({.attention = {kFlash}}, at::kHalf, 64), kPlain);
  EXPECT_EQ(chosen({.tiled_attention = true, .kernels = false}, at::kHalf, 64), kPlain);
  const std::vector<AttentionKernel> none;
  EXPECT_EQ(masked_attention_candidates(64, at::kHalf, 75), std::vector{kTiled});
  EXPECT_EQ(masked_attention_candidates(64, at::kBFloat16, 75), none) << "no products of it there";
  EXPECT_EQ(masked_attention_candidates(64, at::kBFloat16, 80), std::vector{kTiled});
  EXPECT_EQ(masked_attention_candidates(24, at::kHalf, 80), none);
}

// Choices of a manifest from before there was such a kernel.
TEST_F(DeviceChoicesOf, MayComeFromAnOlderManifest) {
  std::string text = to_json(DeviceChoices());
  const std::string line = " \"tiled_attention\": false,\n";
  ASSERT_NE(text.find(line), std::string::npos) << text;
  text.erase(text.find(line), line.size());
  EXPECT_EQ(parse_device_choices(text, "x"), DeviceChoices());
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
