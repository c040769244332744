#include "gpt/kernels/ops/attention.h"

#include <gtest/gtest.h>

#include "support/tensor_near.h"

namespace gpt {
namespace {

using testing::near;

struct Gradients {
  at::Tensor y, q, k, v;
};

template <class Attention>
Gradients run(const Attention& attention, const at::Tensor& q, const at::Tensor& k,
              const at::Tensor& v, const at::Tensor& up) {
  const auto leaf = [](const at::Tensor& t) { return t.detach().clone().set_requires_grad(true); };
  at::Tensor a = leaf(q), b = leaf(k), c = leaf(v);
  at::Tensor y = attention(a, b, c);
  y.backward(up);
  return {y, a.grad(), b.grad(), c.grad()};
}

TEST(Attention, CandidatesAreThoseOfTheCard) {
  using enum AttentionKernel;
  using Kernels = std::vector<AttentionKernel>;
  struct Card {
    int capability;
    Kernels any, deterministic;
  };
  for (const Card& card : {Card{75, {kEfficient}, {}},
                           {80, {kFlash, kEfficient}, {kFlash}},
                           {86, {kFlash, kEfficient}, {kFlash}},
                           {89, {kFlash, kEfficient}, {kFlash}},
                           {90, {kFlash, kEfficient, kCudnn}, {kFlash}},
                           {100, {kFlash, kEfficient, kCudnn}, {kFlash}},
                           {103, {kFlash, kEfficient}, {kFlash}},
                           {120, {kFlash, kEfficient}, {kFlash}}}) {
    const auto of = [&](std::int64_t T, std::int64_t D, at::ScalarType type, bool deterministic) {
      return attention_candidates(T, D, type, deterministic, card.capability);
    };
    EXPECT_EQ(of(1024, 64, at::kBFloat16, false), card.any) << card.capability;
    EXPECT_EQ(of(1024, 64, at::kHalf, true), card.deterministic) << card.capability;
    EXPECT_EQ(of(1024, 64, at::kFloat, false), Kernels{kEfficient}) << card.capability;
    for (const std::int64_t width : {20, 264})
      EXPECT_EQ(of(1024, width, at::kBFloat16, false), Kernels{}) << card.capability;
    EXPECT_EQ(of(1024, 64, at::kFloat, true), Kernels{}) << card.capability;
    EXPECT_EQ(of(1024, 64, at::kDouble, false), Kernels{}) << card.capability;
    const bool small = card.capability == 86 || card.capability == 89 || card.capability == 120;
    EXPECT_EQ(of(1024, 208, at::kBFloat16, true), small ? Kernels{} : card.deterministic);
  }
  for (const auto& [T, D] : {std::pair{1, 64}, {1024, 136}})
    EXPECT_EQ(attention_candidates(T, D, at::kHalf, false, 90), (Kernels{kFlash, kEfficient}));
}

// 2 of the 5 sequences at a time; each has the mask that it has in any other batch.
TEST(Attention, GroupsOfSequencesChangeNothing) {
  constexpr std::int64_t kB = 5, kH = 8, kT = 512, kD = 8;
  ASSERT_EQ(plain_attention_group(kH, kT, 4), 2);
  ASSERT_EQ(plain_attention_group(12, 8192, 4), 1) << "one at least";
  const auto make = [&] { return at::randn({kB, kH, kT, kD}); };
  const at::Tensor q = make(), k = make(), v = make(), up = make();
  const at::Tensor x_BT = at::randint(100, {kB, kT}, at::kLong);
  const at::Tensor start_BT = document_starts(x_BT, 3);
  for (const double p : {0.0, 0.3}) {
    const AttentionInput in{.q_BHTD = q,
                            .k_BHTD = k,
                            .v_BHTD = v,
                            .p = p,
                            .sequence_B = at::tensor({9, 3, 4, 0, 7}, at::kLong),
                            .place = {.seed = 5, .step = 2, .layer = 1},
                            .start_BT = start_BT};
    const at::Tensor mask = document_mask(x_BT, 3, at::kFloat);
    const auto expected = run(
        [&](auto& a, auto& b, auto& c) {
          return plain_causal_attention(a, b, c, in.p, in.sequence_B, in.place, mask);
        },
        q, k, v, up);
    const AttentionOutput out = attention_forward(AttentionKernel::kPlain, in);
    const AttentionGradient gradient = attention_backward(AttentionKernel::kPlain, in, out, up);
    EXPECT_TRUE(near(out.y_BHTD, expected.y, 2e-6)) << p;
    EXPECT_TRUE(near(gradient.dq_BHTD, expected.q, 2e-6)) << p;
    EXPECT_TRUE(near(gradient.dk_BHTD, expected.k, 2e-6)) << p;
    EXPECT_TRUE(near(gradient.dv_BHTD, expected.v, 2e-6)) << p;
  }
}

TEST(Attention, FusedEqualsWrittenOut) {
  for (const auto& [type, tolerance] : {std::pair{at::kDouble, 1e-12}, {at::kFloat, 2e-6}}) {
    for (const std::int64_t tokens : {1, 2, 17, 64}) {
      const auto make = [&] { return at::randn({2, 3, tokens, 8}, type); };
      const at::Tensor q = make(), k = make(), v = make(), up = make();
      const at::Tensor x_BT = at::randint(5, {2, tokens}, at::kLong);
      for (const at::Tensor& mask : {at::Tensor(), document_mask(x_BT, 3, type)}) {
        const auto fused =
            run([&](auto& a, auto& b, auto& c) { return causal_attention(a, b, c, mask); }, q, k, v,
                up);
        const auto plain =
            run([&](auto& a, auto& b,
                    auto& c) { return plain_causal_attention(a, b, c, 0, {}, {}, mask); },
                q, k, v, up);
        EXPECT_TRUE(near(fused.y, plain.y, tolerance)) << tokens;
        EXPECT_TRUE(near(fused.q, plain.q, tolerance)) << tokens;
        EXPECT_TRUE(near(fused.k, plain.k, tolerance)) << tokens;
        EXPECT_TRUE(near(fused.v, plain.v, tolerance)) << tokens;
      }
    }
  }
}

// An end token belongs to the document that it ends.
TEST(Attention, DocumentsBeginAfterTheirEnds) {
  const at::Tensor x_BT = at::tensor({9, 1, 9, 9, 2, 3, 1, 2, 3, 4, 5, 9}, at::kLong).view({2, 6});
  EXPECT_TRUE(at::equal(document_starts(x_BT, 9),
                        at::tensor({0, 1, 1, 3, 4, 4, 0, 0, 0, 0, 0, 0}, at::kLong).view({2, 6})));
  EXPECT_TRUE(at::equal(document_starts(x_BT.narrow(1, 0, 1), 9), at::zeros({2, 1}, at::kLong)));
  const at::Tensor seen_TT = document_mask(x_BT, 9, at::kFloat)[0][0] == 0;
  const at::Tensor expected = at::eye(6, at::kLong);
  expected[2][1] = expected[5][4] = 1;
  EXPECT_TRUE(at::equal(seen_TT.to(at::kLong), expected));
}

// One head of one sequence by hand, straight from the formula.
TEST(Attention, FollowsTheFormula) {
  const at::Tensor q = at::randn({1, 1, 5, 4}, at::kDouble),
                   k = at::randn({1, 1, 5, 4}, at::kDouble),
                   v = at::randn({1, 1, 5, 4}, at::kDouble);
  const at::Tensor y = plain_causal_attention(q, k, v);
  for (std::int64_t t = 0; t < 5; ++t) {
    at::Tensor sum = at::zeros({4}, at::kDouble);
    double total = 0;
    for (std::int64_t s = 0; s <= t; ++s) {
      const double weight = std::exp(q[0][0][t].dot(k[0][0][s]).item<double>() / 2.0);
      sum += weight * v[0][0][s];
      total += weight;
    }
    EXPECT_TRUE(near(y[0][0][t], sum / total, 1e-12)) << t;
  }
}

TEST(Attention, NoTokenSeesALaterOne) {
  const at::Tensor q = at::randn({1, 2, 9, 4}), k = at::randn({1, 2, 9, 4});
  at::Tensor v = at::randn({1, 2, 9, 4});
  const at::Tensor before = causal_attention(q, k, v).clone();
  v.select(2, 8).fill_(1e6);
  const at::Tensor after = causal_attention(q, k, v);
  EXPECT_TRUE(at::equal(before.narrow(2, 0, 8), after.narrow(2, 0, 8)));
  EXPECT_FALSE(at::equal(before.select(2, 8), after.select(2, 8)));
}

TEST(Attention, DropoutOnTheWeightsDoesNotDependOnTheSplit) {
  const auto make = [] { return at::randn({4, 2, 6, 4}, at::kDouble); };
  const at::Tensor q = make(), k = make(), v = make();
  const DropoutPlace place{.seed = 3, .step = 5, .layer = 1, .site = 0};
  const at::Tensor whole = plain_causal_attention(q, k, v, 0.4, at::arange(4), place);
  const at::Tensor last = plain_causal_attention(q.narrow(0, 3, 1), k.narrow(0, 3, 1),
                                                 v.narrow(0, 3, 1), 0.4, at::arange(3, 4), place);
  EXPECT_TRUE(near(whole.narrow(0, 3, 1), last, 1e-12));
  EXPECT_FALSE(near(whole, plain_causal_attention(q, k, v), 1e-3));
}

}  // namespace
}  // namespace gpt
