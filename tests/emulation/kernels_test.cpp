// Each kernel's source, played by the CPU thread for thread, against its ATen reference.
#include "gpt/kernels/ops/attention.h"
#include "gpt/kernels/ops/causal_softmax.h"
#include "gpt/kernels/ops/column_sum.h"
#include "gpt/kernels/ops/cross_entropy.h"
#include "gpt/kernels/ops/dropout.h"
#include "gpt/kernels/ops/embedding.h"
#include "gpt/kernels/ops/gelu.h"
#include "gpt/kernels/ops/layer_norm.h"
#include "gpt/kernels/ops/lm_head.h"

#include "emulated.h"

namespace gpt {
namespace {

using testing::emulate;
using testing::kTypes;
using testing::near;
using testing::rounding;

TEST(Emulation, DropoutIsTheCpusBitForBit) {
  const at::Tensor sequence = at::tensor({5, 0, 17}, at::kLong);
  for (const at::ScalarType type : kTypes) {
    for (const std::int64_t width : {1, 3, 4, 35, 1023, 1024}) {
      const at::Tensor all = at::randn({4 * width}, at::kDouble).to(type);
      for (const std::int64_t first : {0, 1}) {  // from an odd place, too
        const at::Tensor x = all.narrow(0, first, 3 * width).view({3, width});
        const auto run = [&] {
          return std::vector{keyed_dropout(x, 0.3, sequence, {.seed = 7, .step = 5, .site = 2})};
        };
        EXPECT_TRUE(at::equal(emulate(run)[0], run()[0])) << type << " " << width << " " << first;
      }
    }
  }
}

// The row in shared memory, and read twice where it does not fit.
TEST(Emulation, CrossEntropyEqualsThePlainOne) {
  for (const std::size_t shared : {std::size_t{99} << 10, std::size_t{600}}) {
    emulation::set_shared_memory(shared);
    for (const at::ScalarType type : kTypes) {
      for (const auto& [rows, vocab] :
           {std::pair{1, 1}, {5, 7}, {3, 512}, {2, 4104}, {2, 5001}, {3, 5002}}) {
        const at::Tensor logits = (at::randn({rows, vocab}, at::kDouble) * 4).to(type);
        const at::Tensor target = at::randint(vocab, {rows}, at::kLong);
        if (rows > 2) target[rows / 2].fill_(-1);
        const auto run = [&] {
          const at::Tensor work = logits.clone();
          const at::Tensor loss = at::empty({rows}, type == at::kDouble ? at::kDouble : at::kFloat);
          cross_entropy_({.logits_NV = work, .target_N = target, .loss_N = loss, .scale = 0.25});
          return std::vector{loss, work};
        };
        const auto actual = emulate(run), expected = run();
        const double exact = type == at::kDouble ? 1e-13 : 3e-6;
        EXPECT_TRUE(near(actual[0], expected[0], exact)) << type << " " << rows << "x" << vocab;
        EXPECT_TRUE(near(actual[1], expected[1], rounding(type) / 4)) << type << " " << vocab;
      }
    }
  }
  emulation::set_shared_memory(99 << 10);
}

// Answers-only training gives whole rows, also the first and the last of the memory, target -1.
TEST(Emulation, IgnoredRowsHaveNoLossAndNoGradient) {
  for (const std::size_t shared : {std::size_t{99} << 10, std::size_t{600}}) {
    emulation::set_shared_memory(shared);
    for (const at::ScalarType type : kTypes) {
      for (const auto& [vocab, stride] : {std::pair{7, 7}, {65, 128}, {5001, 5056}}) {
        const at::Tensor logits = (at::randn({4, stride}, at::kDouble) * 4).to(type);
        const at::Tensor target = at::full({4}, -1, at::kLong);
        const auto run = [&, vocab = vocab] {
          const at::Tensor work = logits.clone();
          const at::Tensor loss = at::full({4}, 99, type == at::kDouble ? at::kDouble : at::kFloat);
          cross_entropy_({.logits_NV = work, .target_N = target, .loss_N = loss, .vocab = vocab});
          return std::vector{loss, work};
        };
        for (const at::Tensor& zero : emulate(run))
          EXPECT_EQ(zero.count_nonzero().item<int>(), 0) << type << " " << vocab;
      }
    }
  }
  emulation::set_shared_memory(99 << 10);
}

// Rows of any vocabulary begin where packs may be read; what stands in the padding is nobody's.
TEST(Emulation, PaddingIsNoWordOfTheVocabulary) {
  for (const std::size_t shared : {std::size_t{99} << 10, std::size_t{600}}) {
    emulation::set_shared_memory(shared);
    for (const at::ScalarType type : kTypes) {
      for (const auto& [vocab, stride] : {std::pair{1, 64}, {63, 64}, {65, 128}, {5001, 5056}}) {
        const at::Tensor logits = (at::randn({3, stride}, at::kDouble) * 4).to(type);
        logits.narrow(1, vocab, stride - vocab).fill_(NAN);
        const at::Tensor target = at::randint(vocab, {3}, at::kLong);
        target[1].fill_(-1);
        const at::ScalarType real = type == at::kDouble ? at::kDouble : at::kFloat;
        const auto run = [&, vocab = vocab] {
          const at::Tensor work = logits.clone(), loss = at::empty({3}, real);
          cross_entropy_({.logits_NV = work,
                          .target_N = target,
                          .loss_N = loss,
                          .scale = 0.25,
                          .vocab = vocab});
          return std::vector{loss, work};
        };
        const auto actual = emulate(run), expected = run();
        EXPECT_TRUE(near(actual[0], expected[0], type == at::kDouble ? 1e-13 : 3e-6)) << type;
        EXPECT_TRUE(near(actual[1], expected[1], rounding(type) / 4)) << type << " " << vocab;
        EXPECT_EQ(actual[1].narrow(1, vocab, stride - vocab).count_nonzero().item<int>(), 0);
      }
    }
  }
  emulation::set_shared_memory(99 << 10);
}

// The padding adds zeros to the matmuls' sums: the bits are those of a weight and a gradient
// without it, where cross-entropy reads the logits' rows in the same packs; else its sums differ in
// order.
TEST(Emulation, APaddedHeadIsTheUnpaddedOne) {
  constexpr int kTokens = 11, kVocab = 65, kRows = 128, kWidth = 24;
  for (const at::ScalarType type : {at::kBFloat16, at::kHalf}) {
    const at::Tensor x = at::randn({kTokens, kWidth}).to(type);
    const at::Tensor weight = at::zeros({kRows, kWidth}, type);
    weight.narrow(0, 0, kVocab).copy_(at::randn({kVocab, kWidth}));
    const at::Tensor target = at::randint(kVocab, {kTokens}, at::kLong);
    const auto run = [&](std::int64_t rows, std::int64_t gradient_rows, std::int64_t stride) {
      const at::Tensor loss = at::empty({kTokens}), dx = at::empty_like(x),
                       dweight = at::ones({gradient_rows, kWidth});
      lm_head_pass({.x_NC = x,
                    .weight_VC = weight.narrow(0, 0, rows),
                    .target_N = target,
                    .token_N = loss,
                    .dx_NC = dx,
                    .dweight_VC = dweight,
                    .chunk = 4,
                    .scale = 0.1,
                    .vocab = kVocab,
                    .stride = stride});
      return std::vector{loss, dx, dweight};
    };
    const auto expected = emulate([&] { return run(kVocab, kVocab, kRows); });
    const auto unpadded = emulate([&] { return run(kVocab, kVocab, 0); });
    for (std::size_t i = 0; i < expected.size(); ++i)
      EXPECT_TRUE(near(expected[i], unpadded[i], i == 1 ? rounding(type) / 4 : 1e-3)) << i;
    for (const std::int64_t gradient_rows : {kRows, kVocab}) {
      const auto actual = emulate([&] { return run(kRows, gradient_rows, 0); });
      EXPECT_TRUE(at::equal(actual[0], expected[0])) << type;
      EXPECT_TRUE(at::equal(actual[1], expected[1])) << type;
      EXPECT_TRUE(at::equal(actual[2].narrow(0, 0, kVocab), expected[2])) << type;
      const at::Tensor rest = actual[2].narrow(0, kVocab, gradient_rows - kVocab);
      EXPECT_TRUE(at::equal(rest, at::ones_like(rest))) << type;
    }
  }
}

// The row is read twice then; the launch's own check must not find the question's error.
TEST(Emulation, ARefusalOfSharedMemoryIsNoErrorOfTheLaunch) {
  const at::Tensor logits = at::randn({4, 1000}), target = at::randint(1000, {4}, at::kLong);
  const auto run = [&] {
    const at::Tensor work = logits.clone(), loss = at::empty({4});
    cross_entropy_({.logits_NV = work, .target_N = target, .loss_N = loss});
    return std::vector{loss, work};
  };
  const auto expected = emulate(run);
  emulation::refuse_attributes(true);
  const auto actual = emulate(run);
  emulation::refuse_attributes(false);
  EXPECT_TRUE(at::equal(actual[0], expected[0]));
  EXPECT_TRUE(at::equal(actual[1], expected[1]));
}

TEST(Emulation, CrossEntropyWithoutGradientLeavesTheSameLoss) {
  const at::Tensor logits = at::randn({4, 1000}),
                   target = at::tensor({0, 999, 2000, -1}, at::kLong);
  const auto run = [&](bool gradient) {
    const at::Tensor loss = at::empty({4});
    cross_entropy_(
        {.logits_NV = logits.clone(), .target_N = target, .loss_N = loss, .gradient = gradient});
    return std::vector{loss.nan_to_num(77)};
  };
  const at::Tensor loss = emulate([&] { return run(false); })[0];
  EXPECT_TRUE(at::equal(loss, emulate([&] { return run(true); })[0]));
  EXPECT_EQ(loss[2].item<double>(), 77);  // a target out of range is NaN
  EXPECT_EQ(loss[3].item<double>(), 0);
}

TEST(Emulation, CausalSoftmaxEqualsTheReference) {
  for (const at::ScalarType type : kTypes) {
    for (const std::int64_t tokens : {1, 3, 4, 36, 70, 132}) {
      // Of two documents, but where there is dropout of one.
      for (const double p : {0.0, 0.3}) {
        const at::Tensor second_B1 = at::tensor({tokens / 3, tokens - 1}, at::kLong).view({2, 1});
        const at::Tensor start = at::arange(tokens).ge(second_B1).to(at::kLong) * second_B1;
        const at::Tensor start_BT = p > 0 ? at::Tensor() : start;
        const at::Tensor scores = (at::randn({2, 3, tokens, tokens}, at::kDouble) * 4).to(type);
        const at::Tensor up = at::randn({2, 3, tokens, tokens}, at::kDouble).to(type);
        const RowDropout dropout{.p = p,
                                 .sequence_B = at::tensor({4, 9}, at::kLong),
                                 .place = {.seed = 3, .step = 1, .layer = 2}};
        const auto run = [&] {
          const at::Tensor weights = scores.clone(), again = scores.clone(), down = up.clone();
          causal_softmax_(
              {.scores_BHTT = weights, .scale = 0.35, .dropout = dropout, .start_BT = start_BT});
          causal_softmax_({.scores_BHTT = again,
                           .gradient_BHTT = down,
                           .scale = 0.35,
                           .dropout = dropout,
                           .start_BT = start_BT});
          return std::vector{weights, again, down};
        };
        const auto actual = emulate(run), expected = run();
        EXPECT_TRUE(at::equal(actual[0], actual[1])) << type << " " << tokens;
        EXPECT_TRUE(near(actual[0], expected[0], rounding(type))) << type << " " << tokens;
        EXPECT_TRUE(near(actual[2], expected[2], rounding(type))) << type << " " << tokens;
        EXPECT_TRUE(at::equal(actual[0] == 0, expected[0] == 0)) << type << " " << tokens;
      }
    }
  }
}

TEST(Emulation, GeluAndItsGradientEqualTheReference) {
  for (const at::ScalarType type : kTypes) {
    for (const bool tanh : {false, true}) {
      for (const std::int64_t count : {1, 7, 8, 2050, 40001}) {
        const at::Tensor x = (at::randn({count}, at::kDouble) * 3).to(type);
        const at::Tensor up = at::randn({count}, at::kDouble).to(type);
        const auto run = [&] {
          const at::Tensor work = up.clone();
          gelu_backward_(x, work, tanh);
          return std::vector{gelu(x, tanh), work};
        };
        const auto actual = emulate(run), expected = run();
        EXPECT_TRUE(near(actual[0], expected[0], rounding(type))) << type << " " << count;
        EXPECT_TRUE(near(actual[1], expected[1], rounding(type))) << type << " " << count;
      }
    }
  }
}

TEST(Emulation, GeluBackwardSumsItsColumnsInTheSamePass) {
  for (const at::ScalarType type : kTypes) {
    const at::ScalarType real = type == at::kDouble ? at::kDouble : at::kFloat;
    for (const auto& [rows, columns] :
         {std::pair{1, 1}, {3, 5}, {70, 128}, {257, 264}, {200, 33}}) {
      const at::Tensor x = (at::randn({rows, columns}, at::kDouble) * 3).to(type);
      const at::Tensor up = at::randn({rows, columns}, at::kDouble).to(type);
      const auto run = [&](bool tanh) {
        const at::Tensor work = up.clone(), sums = at::arange(columns, real);
        gelu_bias_backward_(x, work, tanh, sums);
        return std::vector{work, sums};
      };
      for (const bool tanh : {false, true}) {
        const auto actual = emulate([&] { return run(tanh); }), expected = run(tanh);
        EXPECT_TRUE(near(actual[0], expected[0], rounding(type))) << type << " " << columns;
        // Of what was rounded, which is another value here and there.
        const at::Tensor sums =
            at::arange(columns, real) + actual[0].sum(at::IntArrayRef{0}, false, real);
        EXPECT_TRUE(near(actual[1], sums, type == at::kDouble ? 1e-13 : 1e-5)) << type;
      }
    }
  }
}

TEST(Emulation, GradientsOfAttentionAreJoinedAndSummedInOnePass) {
  for (const at::ScalarType type : kTypes) {
    const at::ScalarType real = type == at::kDouble ? at::kDouble : at::kFloat;
    for (const auto& [tokens, heads, width] : {std::array{1, 1, 1}, {5, 3, 3}, {70, 2, 16}}) {
      const auto part = [&, t = tokens, h = heads, w = width] {
        return at::randn({2, t, h, w}, at::kDouble).to(type).transpose(1, 2);
      };
      const at::Tensor side = at::randn({2, tokens, 3, heads, width}, at::kDouble).to(type);
      const auto of_side = [&](std::int64_t i) { return side.select(2, i).transpose(1, 2); };
      for (const AttentionGradient& gradient :
           {AttentionGradient{part(), part(), part()},
            AttentionGradient{of_side(0), of_side(1), of_side(2)}}) {
        const std::int64_t columns = 3 * heads * width;
        const auto run = [&, join = join_attention_gradient] {
          const at::Tensor sums = at::arange(columns, real);
          return std::vector{join(gradient, sums), sums, join(gradient, {})};
        };
        const auto actual = emulate(run);
        const at::Tensor sums = at::arange(columns, real);
        const at::Tensor expected = plain_join_attention_gradient(gradient, sums);
        EXPECT_TRUE(at::equal(actual[0], expected) && at::equal(actual[2], expected)) << type;
        EXPECT_TRUE(near(actual[1], sums, type == at::kDouble ? 1e-13 : 1e-5)) << type;
        // What lies side by side stays where it is.
        const bool there = gradient.dq_BHTD.is_alias_of(side);
        EXPECT_EQ(actual[0].is_alias_of(side), there);
      }
    }
  }
}

// `sizes` of a larger tensor, from its second element on: no pack of several may be read there.
at::Tensor at_odd_address(at::IntArrayRef sizes, at::ScalarType type) {
  const std::int64_t count = c10::multiply_integers(sizes);
  return at::randn({count + 1}, at::kDouble).to(type).narrow(0, 1, count).view(sizes);
}

TEST(Emulation, KernelsReadFromAnyAddress) {
  for (const at::ScalarType type : kTypes) {
    const at::ScalarType real = type == at::kDouble ? at::kDouble : at::kFloat;
    const at::Tensor x = at_odd_address({6, 64}, type), up = at_odd_address({6, 64}, type);
    const at::Tensor stream = at_odd_address({6, 64}, real), weight = at_odd_address({64}, real);
    const at::Tensor logits = at_odd_address({6, 64}, type);
    const at::Tensor target = at::randint(64, {6}, at::kLong);
    const auto odd_copy = [](const at::Tensor& of) {
      return at_odd_address(of.sizes(), of.scalar_type()).copy_(of);
    };
    const auto run = [&] {
      const at::Tensor dgelu = odd_copy(up), sums = at::zeros({64}, real),
                       loss = at::empty({6}, real);
      gelu_backward_(x, dgelu, false);
      add_column_sums_(x, sums);
      const NormOutput norm = add_layer_norm(
          {.x_NC = stream, .branch_NC = x, .weight_C = weight, .bias_C = weight, .type = type});
      const at::Tensor dx = odd_copy(stream), dweight = at::zeros({64}, real);
      layer_norm_backward_({.dy_NC = up,
                            .x_NC = stream,
                            .mean_N = norm.mean_N,
                            .rstd_N = norm.rstd_N,
                            .weight_C = weight,
                            .dx_NC = dx,
                            .dweight_C = dweight});
      const at::Tensor dlogits = odd_copy(logits);
      cross_entropy_({.logits_NV = dlogits, .target_N = target, .loss_N = loss});
      const at::Tensor embedded = embed(target.remainder(6).view({2, 3}), stream, stream, {});
      return std::vector{gelu(x, true), dgelu, sums,    norm.sum_NC, norm.y_NC, dx,
                         dweight,       loss,  dlogits, embedded};
    };
    const auto actual = emulate(run), expected = run();
    for (std::size_t i = 0; i < expected.size(); ++i)
      EXPECT_TRUE(near(actual[i], expected[i], 4 * rounding(type))) << type << " " << i;
  }
}

TEST(Emulation, ColumnSumsAreAddedOnce) {
  for (const at::ScalarType type : kTypes) {
    for (const auto& [rows, columns] :
         {std::pair{1, 1}, {3, 5}, {70, 128}, {257, 132}, {1000, 33}}) {
      const at::Tensor in = at::randn({rows, columns}, at::kDouble).to(type);
      const auto run = [&] {
        at::Tensor out = at::arange(columns, type == at::kDouble ? at::kDouble : at::kFloat);
        add_column_sums_(in, out);
        return std::vector{out};
      };
      EXPECT_TRUE(near(emulate(run)[0], run()[0], type == at::kDouble ? 1e-13 : 1e-5))
          << type << " " << rows << "x" << columns;
    }
  }
}

// Few columns have many threads each, many columns one each.
TEST(Emulation, RowsAreAddedOnceHoweverManyColumns) {
  for (const at::ScalarType type : {at::kDouble, at::kFloat}) {
    for (const auto& [rows, columns] : {std::pair{3, 40}, {70, 33}, {3, 40001}}) {
      const at::Tensor in = at::randn({rows, columns + 5}, at::kDouble).to(type);
      const auto run = [&] {
        at::Tensor out = at::arange(columns, type);
        add_rows_(in.narrow(1, 2, columns), out);
        return std::vector{out};
      };
      EXPECT_TRUE(near(emulate(run)[0], run()[0], type == at::kDouble ? 1e-13 : 1e-5))
          << type << " " << rows << "x" << columns;
    }
  }
}

TEST(Emulation, EmbeddingEqualsTheReference) {
  for (const at::ScalarType type : {at::kDouble, at::kFloat}) {
    for (const std::int64_t width : {1, 5, 16, 520}) {
      for (const double p : {0.0, 0.3}) {
        const at::Tensor tokens = at::randint(11, {3, 7}, at::kLong);
        const at::Tensor wte = at::randn({11, width}, type), wpe = at::randn({9, width}, type);
        const RowDropout dropout{.p = p,
                                 .sequence_B = at::tensor({4, 0, 9}, at::kLong),
                                 .tokens = 7,
                                 .place = {.seed = 3, .step = 1, .layer = -1, .site = 3}};
        const auto run = [&] { return std::vector{embed(tokens, wte, wpe, dropout)}; };
        EXPECT_TRUE(at::equal(emulate(run)[0], run()[0])) << type << " " << width << " " << p;
      }
    }
  }
}

// Runs of one token shorter and longer than a piece, at every place of the sorted order.
TEST(Emulation, EmbeddingGradientSumsEveryRun) {
  for (const at::ScalarType type : {at::kDouble, at::kFloat}) {
    for (const std::int64_t vocab : {1, 2, 3, 40}) {
      for (const std::int64_t T : {1, 33, 65, 100}) {
        const at::Tensor tokens = at::randint(vocab, {2, T}, at::kLong);
        const at::Tensor dx = at::randn({2 * T, 36}, type);
        const auto run = [&] {
          at::Tensor dwte = at::ones({vocab + 1, 36}, type), dwpe = at::ones({T + 3, 36}, type);
          embed_backward_(tokens, dx.clone(), dwte, dwpe);
          return std::vector{dwte, dwpe};
        };
        const auto actual = emulate(run), expected = run();
        const double tolerance = type == at::kDouble ? 1e-13 : 3e-6;
        EXPECT_TRUE(near(actual[0], expected[0], tolerance)) << vocab << " " << T;
        EXPECT_TRUE(near(actual[1], expected[1], tolerance)) << vocab << " " << T;
      }
    }
  }
}

}  // namespace
}  // namespace gpt
