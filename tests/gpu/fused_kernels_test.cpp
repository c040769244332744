// The fused engine's kernels on the GPU against their ATen references in float64 on the CPU. Sizes
// are chosen for every branch: odd widths, rows that do not fit into shared memory, long runs.
#include <ATen/CPUGeneratorImpl.h>

#include "gpt/kernels/ops/attention.h"
#include "gpt/kernels/ops/column_sum.h"
#include "gpt/kernels/ops/embedding.h"
#include "gpt/kernels/ops/gelu.h"
#include "gpt/kernels/ops/layer_norm.h"
#include "gpt/kernels/ops/matmul.h"

#include "gpu.h"

namespace gpt {
namespace {

using testing::relative_distance;

constexpr at::ScalarType kTypes[] = {at::kDouble, at::kFloat, at::kBFloat16, at::kHalf};

// Rounding of one result of the type, with a margin for the sums before it.
double rounding(at::ScalarType type) {
  if (type == at::kDouble) return 1e-12;
  if (type == at::kFloat) return 1e-5;
  return type == at::kHalf ? 2e-3 : 1.6e-2;
}

at::ScalarType real(at::ScalarType type) {
  return type == at::kDouble ? at::kDouble : at::kFloat;
}

class GpuFused : public testing::Gpu {
 protected:
  at::Tensor random(at::IntArrayRef shape, at::ScalarType type) const {
    return at::randn(shape, generator_, at::kDouble).to(type);
  }
  mutable at::Generator generator_ = at::detail::createCPUGenerator(3);
};

TEST_F(GpuFused, LayerNormForwardAndBackward) {
  for (const at::ScalarType type : kTypes) {
    for (const auto& [rows, width] :
         {std::pair{1, 1}, {7, 5}, {2048, 768}, {66, 1600}, {10, 7000}, {9, 7003}}) {
      NormInput in;
      in.x_NC = random({rows, width}, real(type)) * 2 + 1;
      in.branch_NC = random({rows, width}, type);
      in.weight_C = random({width}, real(type));
      in.bias_C = random({width}, real(type));
      in.type = type;
      const NormOutput expected = plain_add_layer_norm(in);
      NormInput on_gpu = in;
      for (at::Tensor* t : {&on_gpu.x_NC, &on_gpu.branch_NC, &on_gpu.weight_C, &on_gpu.bias_C})
        *t = t->to(cuda_);
      const NormOutput actual = add_layer_norm(on_gpu);
      const double exact = rounding(real(type));
      EXPECT_LT(relative_distance(actual.sum_NC, expected.sum_NC), exact) << type << width;
      EXPECT_LT(relative_distance(actual.y_NC, expected.y_NC), rounding(type)) << type << width;
      EXPECT_LT(relative_distance(actual.rstd_N, expected.rstd_N), exact) << type << width;

      const at::Tensor dy = random({rows, width}, type), dx = random({rows, width}, real(type));
      const auto backward = [&](const c10::Device& device, const NormOutput& out) {
        NormGradient g;
        g.dy_NC = dy.to(device);
        g.x_NC = out.sum_NC;
        g.mean_N = out.mean_N;
        g.rstd_N = out.rstd_N;
        g.weight_C = in.weight_C.to(device);
        g.dx_NC = dx.clone().to(device);
        g.dweight_C = at::ones({width}, dx.options().device(device));
        g.dbias_C = at::ones({width}, dx.options().device(device));
        g.branch = true;
        const at::Tensor dbranch = layer_norm_backward_(g);
        return std::vector{g.dx_NC, g.dweight_C, g.dbias_C, dbranch};
      };
      const auto want = backward(cpu_, expected), got = backward(cuda_, actual);
      for (std::size_t i = 0; i < want.size(); ++i)
        EXPECT_LT(relative_distance(got[i], want[i]), i == 3 ? rounding(type) : 10 * exact)
            << type << " " << width << " output " << i;
    }
  }
}

TEST_F(GpuFused, GeluAndItsGradient) {
  for (const at::ScalarType type : kTypes) {
    for (const bool tanh : {false, true}) {
      const at::Tensor x = random({100003}, type) * 3, up = random({100003}, type);
      const at::Tensor work = up.to(cuda_, type, /*non_blocking=*/false, /*copy=*/true);
      gelu_backward_(x.to(cuda_), work, tanh);
      at::Tensor expected = up.clone();
      plain_gelu_backward_(x, expected, tanh);
      EXPECT_LT(relative_distance(gelu(x.to(cuda_), tanh), plain_gelu(x, tanh)), rounding(type));
      EXPECT_LT(relative_distance(work, expected), rounding(type)) << type;
    }
  }
}

TEST_F(GpuFused, ColumnSums) {
  for (const at::ScalarType type : kTypes) {
    for (const auto& [rows, columns] : {std::pair{1, 1}, {70, 33}, {16384, 768}, {1000, 3072}}) {
      const at::Tensor in = random({rows, columns}, type);
      const at::Tensor out = at::ones({columns}, in.options().dtype(real(type)).device(cuda_));
      add_column_sums_(in.to(cuda_), out);
      EXPECT_LT(relative_distance(out, in.to(at::kDouble).sum(0) + 1), rounding(real(type)));
    }
  }
}

TEST_F(GpuFused, AddedRows) {
  for (const at::ScalarType type : {at::kDouble, at::kFloat}) {
    for (const auto& [rows, columns] : {std::pair{1, 1}, {512, 1536}, {3, 40001}, {22, 786432}}) {
      const at::Tensor in = random({rows, columns}, type);
      const at::Tensor out = at::ones({columns}, in.options().device(cuda_));
      add_rows_(in.to(cuda_), out);
      EXPECT_LT(relative_distance(out, in.to(at::kDouble).sum(0) + 1), rounding(type)) << columns;
    }
  }
}

TEST_F(GpuFused, EmbeddingAndItsGradient) {
  for (const std::int64_t vocab : {1, 3, 65, 50304}) {
    const at::Tensor tokens = at::randint(vocab, {4, 300}, generator_, at::kLong);
    const at::Tensor wte = random({vocab, 96}, at::kFloat), wpe = random({310, 96}, at::kFloat);
    EXPECT_TRUE(at::equal(embed(tokens.to(cuda_), wte.to(cuda_), wpe.to(cuda_), {}).cpu(),
                          plain_embed(tokens, wte, wpe, {})));
    const at::Tensor dx = random({1200, 96}, at::kFloat);
    const auto backward = [&](const c10::Device& device) {
      const at::Tensor dwte = at::ones_like(wte).to(device), dwpe = at::ones_like(wpe).to(device);
      embed_backward_(tokens.to(device), dx.clone().to(device), dwte, dwpe);
      return std::pair{dwte.cpu(), dwpe.cpu()};
    };
    const auto expected = backward(cpu_), actual = backward(cuda_), again = backward(cuda_);
    EXPECT_LT(relative_distance(actual.first, expected.first), 1e-5) << vocab;
    EXPECT_LT(relative_distance(actual.second, expected.second), 1e-5) << vocab;
    EXPECT_TRUE(at::equal(actual.first, again.first)) << "not the same bits: " << vocab;
  }
}

// Odd sizes take the fallback or algorithms for unaligned memory.
TEST_F(GpuFused, ProductsOfALinearLayer) {
  for (const at::ScalarType type : kTypes) {
    for (const auto& [n, in, out] :
         {std::tuple{1, 1, 1}, {37, 5, 11}, {512, 768, 2304}, {1000, 136, 520}}) {
      const at::Tensor x = random({n, in}, type), w = random({out, in}, type);
      const at::Tensor b = random({out}, type), dy = random({n, out}, type);
      const auto wide = [](const at::Tensor& t) { return t.to(at::kDouble); };
      const at::Tensor y = linear(x.to(cuda_), w.to(cuda_), b.to(cuda_));
      EXPECT_LT(relative_distance(y, at::addmm(wide(b), wide(x), wide(w).t())), rounding(type));
      const at::Tensor dx = linear_input_gradient(dy.to(cuda_), w.to(cuda_));
      EXPECT_LT(relative_distance(dx, at::mm(wide(dy), wide(w))), rounding(type)) << type << n;
      const at::Tensor dw = at::ones({out, in}, x.options().dtype(real(type)).device(cuda_));
      for (int call = 0; call < 3; ++call) add_weight_gradient_(dy.to(cuda_), x.to(cuda_), dw);
      const at::Tensor expected = at::mm(wide(dy).t(), wide(x)) * 3 + 1;
      // Factors are exact and sums are float32: no half type's rounding may show.
      EXPECT_LT(relative_distance(dw, expected), rounding(real(type))) << type << " " << n;
    }
  }
}

// As many words as GPT-2 has: what is tried before the first call is a part of it, in a result of
// its own. The second call is the one that would find the first one's trials in its result.
TEST_F(GpuFused, TheHeadsGradientIsAddedToOncePerCall) {
  constexpr std::int64_t kTokens = 256, kWords = 50304, kWidth = 768;
  const auto options = at::TensorOptions().device(cuda_);
  for (const at::ScalarType type : {at::kBFloat16, at::kHalf}) {
    if (type == at::kBFloat16 && !device_facts().cuda_bf16()) continue;
    const at::Tensor x = at::randn({kTokens, kWidth}, options).to(type);
    const at::Tensor dy = at::randn({kTokens, kWords}, options).to(type);
    const at::Tensor dw = at::ones({kWords, kWidth}, options);
    const at::Tensor expected = dy.to(at::kDouble).t().mm(x.to(at::kDouble));
    for (int call = 1; call <= 2; ++call) {
      add_weight_gradient_(dy, x, dw);
      EXPECT_LT(relative_distance(dw, expected * call + 1), 1e-5) << type << " call " << call;
    }
  }
}

TEST_F(GpuFused, EveryAttentionKernelEqualsThePlainOne) {
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16, at::kHalf}) {
    for (const std::int64_t tokens : {2, 77, 256}) {
      const auto make = [&] { return random({2, tokens, 3, 64}, type).transpose(1, 2); };
      const AttentionInput in{.q_BHTD = make(), .k_BHTD = make(), .v_BHTD = make()};
      const at::Tensor dy = make();
      const auto wide = [](const at::Tensor& t) { return t.to(at::kDouble); };
      const AttentionInput exact{wide(in.q_BHTD), wide(in.k_BHTD), wide(in.v_BHTD)};
      const auto y = attention_forward(AttentionKernel::kPlain, exact);
      const auto d = attention_backward(AttentionKernel::kPlain, exact, y, wide(dy));
      const AttentionInput on_gpu{in.q_BHTD.to(cuda_), in.k_BHTD.to(cuda_), in.v_BHTD.to(cuda_)};
      for (const auto kernel : {AttentionKernel::kPlain, AttentionKernel::kFlash,
                                AttentionKernel::kCudnn, AttentionKernel::kEfficient}) {
        const bool half = kernel == AttentionKernel::kFlash || kernel == AttentionKernel::kCudnn;
        if (half && type == at::kFloat) continue;
        const auto out = attention_forward(kernel, on_gpu);
        const auto g = attention_backward(kernel, on_gpu, out, dy.to(cuda_));
        const double tolerance = type == at::kFloat ? 1e-5 : 3e-2;
        const auto name = static_cast<int>(kernel);
        EXPECT_LT(relative_distance(out.y_BHTD, y.y_BHTD), tolerance) << name << " " << type;
        EXPECT_LT(relative_distance(g.dq_BHTD, d.dq_BHTD), tolerance) << name << " " << type;
        EXPECT_LT(relative_distance(g.dk_BHTD, d.dk_BHTD), tolerance) << name << " " << type;
        EXPECT_LT(relative_distance(g.dv_BHTD, d.dv_BHTD), tolerance) << name << " " << type;
      }
    }
  }
}

// With dropout, documents or both, of rows that are not whole tiles; and the same bits every time.
TEST_F(GpuFused, TiledAttentionEqualsThePlainOne) {
  for (const at::ScalarType type : {at::kBFloat16, at::kHalf}) {
    if (type == at::kBFloat16 && !device_facts().cuda_bf16()) continue;
    for (const auto& [tokens, width] :
         {std::pair{1, 64}, {77, 16}, {256, 64}, {130, 80}, {70, 128}})
      for (const bool documents : {false, true}) {
        const auto make = [&] { return random({2, tokens, 3, 3, width}, type); };
        const at::Tensor qkv = make(), dy = make().select(2, 0).transpose(1, 2);
        const auto input = [&](const at::Tensor& all) {
          const auto part = [&](std::int64_t i) { return all.select(2, i).transpose(1, 2); };
          AttentionInput in{.q_BHTD = part(0), .k_BHTD = part(1), .v_BHTD = part(2)};
          in.p = 0.2;
          in.sequence_B = at::tensor({4, 9}, at::kLong);
          in.place = {.seed = 3, .step = 1, .layer = 2};
          if (documents)
            in.start_BT =
                (at::arange(tokens, at::kLong).ge(tokens / 3).to(at::kLong) * (tokens / 3))
                    .repeat({2, 1})
                    .to(all.device());
          return in;
        };
        const AttentionInput exact = input(qkv.to(at::kDouble)), on_gpu = input(qkv.to(cuda_));
        const auto y = attention_forward(AttentionKernel::kPlain, exact);
        const auto d = attention_backward(AttentionKernel::kPlain, exact, y, dy.to(at::kDouble));
        const auto out = attention_forward(AttentionKernel::kTiled, on_gpu);
        const auto g = attention_backward(AttentionKernel::kTiled, on_gpu, out, dy.to(cuda_));
        const auto again = attention_backward(AttentionKernel::kTiled, on_gpu, out, dy.to(cuda_));
        EXPECT_LT(relative_distance(out.y_BHTD, y.y_BHTD), 1e-2) << type << tokens << " " << width;
        EXPECT_LT(relative_distance(g.dv_BHTD, d.dv_BHTD), 1e-2) << type << tokens << " " << width;
        EXPECT_TRUE(at::equal(g.dq_BHTD, again.dq_BHTD) && at::equal(g.dk_BHTD, again.dk_BHTD) &&
                    at::equal(g.dv_BHTD, again.dv_BHTD));
        if (tokens == 1) continue;  // a single token has no choice: dq and dk are rounding alone
        EXPECT_LT(relative_distance(g.dq_BHTD, d.dq_BHTD), 2e-2) << type << tokens << " " << width;
        EXPECT_LT(relative_distance(g.dk_BHTD, d.dk_BHTD), 2e-2) << type << tokens << " " << width;
      }
  }
}

// Whatever the card and the library lack.
TEST_F(GpuFused, TheChosenAttentionRuns) {
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16, at::kHalf})
    for (const auto& [tokens, width] : {std::pair{1, 64}, {33, 5}, {64, 24}, {65, 128}, {64, 256}})
      for (const bool deterministic : {false, true}) {
        const auto kernel =
            choose_attention({2, 3, tokens, width, type, cuda_}, /*masked=*/false, deterministic);
        const at::Tensor qkv = random({2, tokens, 3, 3, width}, type).to(cuda_);
        const auto part = [&](std::int64_t i) { return qkv.select(2, i).transpose(1, 2); };
        const AttentionInput in{.q_BHTD = part(0), .k_BHTD = part(1), .v_BHTD = part(2)};
        const auto out = attention_forward(kernel, in);
        const auto gradient = attention_backward(kernel, in, out, part(1));
        EXPECT_TRUE(gradient.dq_BHTD.isfinite().all().item<bool>()) << type << tokens << width;
      }
}

}  // namespace
}  // namespace gpt
