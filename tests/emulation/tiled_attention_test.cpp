// Tiled attention through its source, against plain attention in ATen's operators.
#include <cmath>

#include "gpt/kernels/ops/attention.h"

#include "emulated.h"
#include "kernels/cuda/backend.h"

namespace gpt {
namespace {

using testing::emulate;
using testing::Emulated;
using testing::near;
using testing::rounding;

struct TiledCase {
  at::ScalarType type;
  std::int64_t B, H, T, D;
  double p = 0;
  bool documents = false;
};

std::ostream& operator<<(std::ostream& out, const TiledCase& c) {
  return out << c.type << " " << c.B << " x " << c.H << " x " << c.T << " x " << c.D << ", dropout "
             << c.p << (c.documents ? ", documents" : "");
}

// What no kernel may read lies between the rows, and before and after them.
at::Tensor among_nans(std::int64_t B, std::int64_t T, std::int64_t H, std::int64_t D,
                      std::int64_t gap, at::ScalarType type) {
  const at::Tensor all = at::full({B + 2, T + 2, H + 1, D + gap},
                                  std::numeric_limits<double>::quiet_NaN(), at::kDouble)
                             .to(type);
  const at::Tensor part = all.narrow(0, 1, B).narrow(1, 1, T).narrow(2, 0, H).narrow(3, gap / 2, D);
  part.copy_(at::randn(part.sizes(), at::kDouble));
  return part.transpose(1, 2);
}

AttentionInput input_of(const TiledCase& c, std::int64_t gap) {
  const auto make = [&] { return among_nans(c.B, c.T, c.H, c.D, gap, c.type); };
  AttentionInput in{.q_BHTD = make(), .k_BHTD = make(), .v_BHTD = make()};
  in.p = c.p;
  in.sequence_B = at::arange(c.B) * 3 + 4;
  in.place = {.seed = 3, .step = 5, .layer = 2};
  if (c.documents) in.start_BT = document_starts(at::randint(40, {c.B, c.T}, at::kLong), 7);
  return in;
}

AttentionInput in_type(const AttentionInput& in, at::ScalarType type) {
  AttentionInput other = in;
  for (at::Tensor* x : {&other.q_BHTD, &other.k_BHTD, &other.v_BHTD}) *x = x->to(type);
  return other;
}

std::vector<at::Tensor> run(AttentionKernel kernel, const AttentionInput& in,
                            const at::Tensor& dy_BHTD) {
  const AttentionOutput out = attention_forward(kernel, in);
  const AttentionGradient gradient = attention_backward(kernel, in, out, dy_BHTD);
  return {out.y_BHTD, gradient.dq_BHTD, gradient.dk_BHTD, gradient.dv_BHTD};
}

double relative_distance(const at::Tensor& actual, const at::Tensor& expected) {
  const at::Tensor e = expected.to(at::kDouble);
  return ((actual.to(at::kDouble) - e).norm() / e.norm().clamp_min(1e-6)).item<double>();
}

// Gap 8: rows of whole packs; 6: of single elements.
void expect_plain(const TiledCase& c, std::int64_t gap) {
  const AttentionInput in = input_of(c, gap);
  const at::Tensor dy = among_nans(c.B, c.T, c.H, c.D, gap, c.type);
  const auto actual = emulate([&] { return run(AttentionKernel::kTiled, in, dy); });
  const auto expected = run(AttentionKernel::kPlain, in_type(in, at::kDouble), dy.to(at::kDouble));
  const char* names[] = {"y", "dq", "dk", "dv"};
  for (std::size_t i = 0; i < expected.size(); ++i) {
    // A single token has no choice, so that dq and dk are 0 but for rounding.
    if (c.T == 1 && (i == 1 || i == 2))
      EXPECT_TRUE(near(actual[i], expected[i], rounding(c.type))) << c << " " << names[i];
    else
      EXPECT_LT(relative_distance(actual[i], expected[i]), rounding(c.type) / 2)
          << c << " " << names[i];
  }
}

TEST(EmulatedTiledAttention, EqualsThePlainOneForAnyNumberOfTokens) {
  for (const std::int64_t T : {1, 15, 16, 17, 63, 64, 65, 130})
    for (const double p : {0.0, 0.1, 0.9})
      expect_plain({at::kBFloat16, 2, 1, T, 16, p, /*documents=*/p == 0.1}, /*gap=*/8);
}

TEST(EmulatedTiledAttention, EqualsThePlainOneForAnyHeads) {
  for (const at::ScalarType type : {at::kBFloat16, at::kHalf})
    for (const std::int64_t D : {16, 48, 64, 80, 128}) {
      expect_plain({type, 1, 2, 70, D, 0.1}, /*gap=*/8);
      expect_plain({type, 2, 1, 37, D, 0.1, /*documents=*/true}, /*gap=*/6);
    }
}

}  // namespace
}  // namespace gpt
