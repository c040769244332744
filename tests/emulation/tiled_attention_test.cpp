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

// Scores that grow along a row by far more than what waits for the next tile, so that what is
// summed has to be scaled; and, with weights of nearly 1 and 0, a mask that is off would be seen.
TEST(EmulatedTiledAttention, EqualsThePlainOneWhereScoresGrow) {
  for (const at::ScalarType type : {at::kBFloat16, at::kHalf}) {
    const TiledCase c{type, 1, 2, 130, 32, 0.2};
    AttentionInput in = input_of(c, /*gap=*/8);
    in.k_BHTD.mul_(at::linspace(0.1, 12, c.T, at::kDouble).view({1, 1, c.T, 1}).to(type));
    const at::Tensor dy = among_nans(c.B, c.T, c.H, c.D, /*gap=*/8, type);
    const auto actual = emulate([&] { return run(AttentionKernel::kTiled, in, dy); });
    const auto expected =
        run(AttentionKernel::kPlain, in_type(in, at::kDouble), dy.to(at::kDouble));
    for (std::size_t i = 0; i < expected.size(); ++i)
      EXPECT_LT(relative_distance(actual[i], expected[i]), rounding(type)) << type << " " << i;
  }
}

// With values that are unit vectors the result is the dropped weights themselves, a column each.
TEST(EmulatedTiledAttention, DropsWhatThePlainOneDrops) {
  for (const std::int64_t T : {1, 30, 97, 100}) {
    for (std::int64_t first = 0; first < T; first += 64) {
      AttentionInput in = input_of({at::kHalf, 2, 3, T, 64, 0.3}, /*gap=*/8);
      in.q_BHTD.mul_(0.1);
      in.v_BHTD.zero_();
      const std::int64_t columns = std::min<std::int64_t>(64, T - first);
      for (std::int64_t i = 0; i < columns; ++i)
        in.v_BHTD.select(2, first + i).select(2, i).fill_(1);
      const at::Tensor weights_BHTT =
          keyed_dropout(at::ones({2, 3, T, T}), in.p, in.sequence_B, in.place).tril();
      const at::Tensor y = emulate(
          [&] { return std::vector{attention_forward(AttentionKernel::kTiled, in).y_BHTD}; })[0];
      EXPECT_TRUE(
          at::equal(y.narrow(3, 0, columns) != 0, weights_BHTT.narrow(3, first, columns) != 0))
          << T << " " << first;
    }
  }
}

// A tensor whose rows lie in a larger one of sevens.
struct Guarded {
  at::Tensor all, part;

  Guarded(const TiledCase& c, at::ScalarType type)
      : all(at::full({c.B + 2, c.T + 2, c.H + 1, c.D + 8}, 7, type)),
        part(all.narrow(0, 1, c.B).narrow(1, 1, c.T).narrow(2, 0, c.H).narrow(3, 0, c.D)) {}
  HeadsOf<void*> heads() const {
    return {part.mutable_data_ptr(), part.stride(0), part.stride(2), part.stride(1)};
  }
  // What is not its own, after it has been written.
  bool whole() const {
    const at::Tensor rest = all.clone();
    rest.narrow(0, 1, part.size(0))
        .narrow(1, 1, part.size(1))
        .narrow(2, 0, part.size(2))
        .narrow(3, 0, part.size(3))
        .fill_(7);
    return rest.eq(7).all().item<bool>() && part.ne(7).all().item<bool>();
  }
};

TEST(EmulatedTiledAttention, WritesItsOwnRowsAlone) {
  const Emulated emulated;
  for (const TiledCase& c : {TiledCase{at::kHalf, 2, 2, 65, 16}, {at::kHalf, 1, 1, 15, 80}}) {
    const AttentionInput in = input_of(c, /*gap=*/8);
    const at::Tensor dy = among_nans(c.B, c.T, c.H, c.D, /*gap=*/8, c.type);
    const Guarded y(c, c.type), dq(c, c.type), dk(c, c.type), dv(c, c.type);
    const std::int64_t rows = c.B * c.H * c.T;
    const at::Tensor logsumexp = at::full({rows + 2}, 7.0f), delta = at::full({rows + 2}, 7.0f);
    const auto heads = [](const at::Tensor& x) {
      return HeadsOf<const void*>{x.const_data_ptr(), x.stride(0), x.stride(1), x.stride(2)};
    };
    const TiledAttentionLaunch launch{.q = heads(in.q_BHTD),
                                      .k = heads(in.k_BHTD),
                                      .v = heads(in.v_BHTD),
                                      .y = y.heads(),
                                      .logsumexp = logsumexp.mutable_data_ptr<float>() + 1,
                                      .dy = heads(dy),
                                      .dq = dq.heads(),
                                      .dk = dk.heads(),
                                      .dv = dv.heads(),
                                      .delta = delta.mutable_data_ptr<float>() + 1,
                                      .start = nullptr,
                                      .sequences = c.B,
                                      .heads = c.H,
                                      .tokens = c.T,
                                      .width = c.D,
                                      .scale = 0.25,
                                      .dropout = {},
                                      .type = Float::kFloat16};
    ASSERT_EQ(launch_tiled_attention(launch, nullptr), 0);
    ASSERT_EQ(launch_tiled_attention_backward(launch, nullptr), 0);
    for (const Guarded* out : {&y, &dq, &dk, &dv}) EXPECT_TRUE(out->whole()) << c;
    for (const at::Tensor& out : {logsumexp, delta}) {
      EXPECT_TRUE(out[0].item<float>() == 7 && out[rows + 1].item<float>() == 7) << c;
      EXPECT_TRUE(out.narrow(0, 1, rows).ne(7).all().item<bool>()) << c;
    }
  }
}

// Heads of up to 64 need no more than every card gives unasked, and no other needs more than an
// sm_75 has.
TEST(EmulatedTiledAttention, FitsTheSharedMemoryOfEveryCard) {
  emulation::set_shared_memory(std::size_t{48} << 10);
  expect_plain({at::kHalf, 1, 1, 20, 64}, /*gap=*/8);
  emulation::set_shared_memory(std::size_t{64} << 10);
  expect_plain({at::kHalf, 1, 1, 20, 128}, /*gap=*/8);
  emulation::set_shared_memory(std::size_t{99} << 10);
}

TEST(EmulatedTiledAttention, ARefusalOfSharedMemoryIsNotTheNextLaunchsError) {
  const Emulated emulated;
  const AttentionInput in = input_of({at::kHalf, 1, 1, 20, 128}, /*gap=*/8);
  const AttentionOutput out = attention_forward(AttentionKernel::kTiled, in);
  emulation::refuse_attributes(true);
  EXPECT_THROW(attention_backward(AttentionKernel::kTiled, in, out, in.v_BHTD), c10::Error);
  emulation::refuse_attributes(false);
  EXPECT_EQ(cudaGetLastError(), cudaSuccess);
}

// Side by side, as the layer before them has its output: they need not be joined.
TEST(EmulatedTiledAttention, LaysItsGradientsSideBySide) {
  const Emulated emulated;
  const AttentionInput in = input_of({at::kBFloat16, 2, 2, 20, 32, 0.1}, /*gap=*/8);
  const AttentionOutput out = attention_forward(AttentionKernel::kTiled, in);
  const AttentionGradient gradient =
      attention_backward(AttentionKernel::kTiled, in, out, in.v_BHTD);
  const std::int64_t before = emulation::counts().launches;
  EXPECT_TRUE(join_attention_gradient(gradient, {}).is_alias_of(gradient.dq_BHTD));
  EXPECT_EQ(emulation::counts().launches, before);
}

}  // namespace
}  // namespace gpt
