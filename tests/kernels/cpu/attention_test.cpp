// A head on one thread against the written-out formula in float64: of any number of tokens, by
// MKL's products and by our own.
#include "gpt/kernels/cpu/attention.h"

#include <limits>
#include <string>

#include <gtest/gtest.h>

#include "gpt/kernels/ops/attention.h"

#include "support/tensor_near.h"

namespace gpt {
namespace {

using testing::generator;
using testing::near;

struct HeadTensors {
  at::Tensor qkv, dqkv, y, dy, lse;  // (tokens, 3 * stride), (tokens, stride), (tokens, 2)
};

// The head's columns begin at `before` of the `stride` in a row.
constexpr std::int64_t kBefore = 3, kAfter = 5;

template <class X>
constexpr at::ScalarType kType = at::kFloat;
template <>
constexpr at::ScalarType kType<Bf16> = at::kBFloat16;

template <class X>
HeadTensors random_head(std::int64_t tokens, std::int64_t width) {
  at::Generator source = generator(static_cast<std::uint64_t>(tokens * 1000 + width));
  const std::int64_t stride = kBefore + width + kAfter;
  const auto random = [&](std::int64_t columns) {
    return at::randn({tokens, columns}, source).to(kType<X>);
  };
  const at::Tensor qkv = random(3 * stride), dy = random(stride);
  const auto guarded = [](const at::Tensor& like) { return at::full_like(like, 77); };
  return {qkv, guarded(qkv), guarded(dy), dy, at::zeros({tokens, 2})};
}

template <class X>
void run(const HeadTensors& t, const NativeGemm<X>* own) {
  const std::int64_t tokens = t.y.size(0), stride = t.y.size(1), width = stride - kBefore - kAfter;
  const auto at = [](const at::Tensor& x, std::int64_t column) {
    return static_cast<X*>(x.mutable_data_ptr()) + column;
  };
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  const std::int64_t size = attention_workspace(own, tokens, width);
  const at::Tensor workspace = at::full({size + 16}, kNan);
  const std::int64_t most = std::max(tokens, width);
  const std::int64_t bytes = own ? own->workspace_bytes({tokens, most, most}) : 0;
  const at::Tensor memory = at::full({bytes + 64}, 0x5A, at::kByte);
  const GemmWorkspace space(own ? memory.mutable_data_ptr() : nullptr);
  const AttentionHead<X> head{.q = at(t.qkv, kBefore),
                              .k = at(t.qkv, stride + kBefore),
                              .v = at(t.qkv, 2 * stride + kBefore),
                              .stride = 3 * stride,
                              .y = at(t.y, kBefore),
                              .dy = at(t.dy, kBefore),
                              .y_stride = stride,
                              .lse = t.lse.mutable_data_ptr<float>(),
                              .lse_stride = 2,
                              .dq = at(t.dqkv, kBefore),
                              .dk = at(t.dqkv, stride + kBefore),
                              .dv = at(t.dqkv, 2 * stride + kBefore),
                              .tokens = tokens,
                              .width = width,
                              .dropout = nullptr,
                              .sequence = 0,
                              .first_weight = 0};
  attention_forward(head, workspace.mutable_data_ptr<float>());
  workspace.narrow(0, 0, size).fill_(kNan);
  attention_backward(head, workspace.mutable_data_ptr<float>());
  EXPECT_TRUE(workspace.narrow(0, size, 16).isnan().all().item<bool>() &&
              memory.narrow(0, bytes, 64).eq(0x5A).all().item<bool>())
      << "wrote behind its memory";
}

template <class X>
void expect_the_formula(std::int64_t tokens, std::int64_t width, const NativeGemm<X>* own,
                        double tolerance) {
  const HeadTensors t = random_head<X>(tokens, width);
  run(t, own);
  const std::int64_t stride = t.y.size(1);
  const auto part = [&](const at::Tensor& x, std::int64_t index) {
    return x.narrow(1, index * stride + kBefore, width);
  };
  const auto leaf = [&](std::int64_t index) {
    return part(t.qkv, index).to(at::kDouble).view({1, 1, tokens, width}).set_requires_grad(true);
  };
  at::Tensor q = leaf(0), k = leaf(1), v = leaf(2);
  const at::Tensor y = plain_causal_attention(q, k, v);
  y.backward(part(t.dy, 0).to(at::kDouble).view_as(y));
  const auto what = [&] {
    return std::to_string(tokens) + " tokens, width " + std::to_string(width) +
           (own ? ", our products" : ", MKL's");
  };
  const auto flat = [&](const at::Tensor& x) { return x.view({tokens, width}); };
  EXPECT_TRUE(near(part(t.y, 0), flat(y), tolerance)) << what();
  const at::Tensor expected[] = {q.grad(), k.grad(), v.grad()};
  for (int index = 0; index < 3; ++index)
    EXPECT_TRUE(near(part(t.dqkv, index), flat(expected[index]), tolerance))
        << what() << ", gradient " << index;
  for (const at::Tensor& around : {t.y, t.dqkv}) {
    for (std::int64_t index = 0; index * stride < around.size(1); ++index)
      part(around, index).fill_(77);
    EXPECT_TRUE(around.eq(77).all().item<bool>()) << what() << ": wrote outside of its columns";
  }
}

constexpr std::int64_t kWidths[] = {1, 8, 32, 40, 64};

template <class X>
void expect_the_formula_for(std::int64_t tokens, double tolerance) {
  for (const std::int64_t width : kWidths)
    for (const NativeGemm<X>* own : {static_cast<const NativeGemm<X>*>(nullptr), native_gemm<X>()})
      expect_the_formula<X>(tokens, width, own, tolerance);
}

TEST(CpuAttention, FollowsTheFormulaForEveryNumberOfTokens) {
  for (std::int64_t tokens = 1; tokens <= 160; ++tokens)
    expect_the_formula_for<float>(tokens, 2e-6);
}

// Weights, gradients of scores and results are rounded to bfloat16: a few times 2^-9.
constexpr double kBf16Rounding = 1e-2;

TEST(CpuAttention, FollowsTheFormulaInBfloat16) {
  for (std::int64_t tokens = 1; tokens <= 160; tokens += tokens < 60 ? 7 : 1)
    expect_the_formula_for<Bf16>(tokens, kBf16Rounding);
}

TEST(CpuAttention, LongSequences) {
  for (const std::int64_t tokens : {256, 500, 1024}) {
    expect_the_formula_for<float>(tokens, 2e-6);
    expect_the_formula_for<Bf16>(tokens, kBf16Rounding);
  }
}

// Documents of a sequence use its memory, one after the other.
TEST(CpuAttention, PartsOfASequenceNeedNoMoreThanIsPlannedForThem) {
  for (const NativeGemm<Bf16>* own :
       {static_cast<const NativeGemm<Bf16>*>(nullptr), native_gemm<Bf16>()})
    for (const std::int64_t tokens : {1, 79, 80, 160, 300})
      for (std::int64_t part = 1; part <= tokens; ++part)
        EXPECT_LE(attention_workspace<Bf16>(own, part, 40),
                  attention_workspace<Bf16>(own, tokens, 40, /*parts=*/true))
            << part << " of " << tokens;
}

}  // namespace
}  // namespace gpt
