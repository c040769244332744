// Our kernels on tensors, each next to its plain ATen twin, in the sizes and types of the job.
#include <algorithm>

#include <ATen/ATen.h>

#include "gpt/kernels/ops/column_sum.h"
#include "gpt/kernels/ops/cross_entropy.h"
#include "gpt/kernels/ops/dropout.h"
#include "gpt/kernels/ops/embedding.h"
#include "gpt/kernels/ops/gelu.h"
#include "gpt/kernels/ops/layer_norm.h"
#include "gpt/kernels/ops/parameter_update.h"
#include "gpt/model/engines.h"
#include "gpt/probe/checks.h"

#include "muon_check.h"

namespace gpt {

namespace {

using Outputs = std::vector<at::Tensor>;

constexpr double kFloatKernels = 1e-4, kHalfKernels = 1e-2;

// The sizes of the job, of as many tokens as show a mistake.
struct KernelSizes {
  std::int64_t B, T, C, V, N;
  at::ScalarType type;
  at::Device device;
  double limit;  // of results in `type`

  at::Tensor normal(at::IntArrayRef sizes, at::ScalarType of) const {
    return at::empty(sizes, at::TensorOptions().device(device).dtype(of)).normal_();
  }
  at::Tensor low(at::IntArrayRef sizes) const { return normal(sizes, type); }
  at::Tensor real(at::IntArrayRef sizes) const { return normal(sizes, at::kFloat); }
  at::Tensor tokens(at::IntArrayRef sizes) const {
    return at::randint(V, sizes, at::TensorOptions().dtype(at::kLong)).to(device);
  }
};

KernelSizes kernel_sizes(const ProbeJob& job) {
  constexpr std::int64_t kTokens = 8192;
  const TrainConfig& config = job.config;
  const std::int64_t T = config.data.block_size;
  const std::int64_t B = std::min(config.data.micro_batch_size.or_else(config.data.batch_size),
                                  std::max<std::int64_t>(1, kTokens / T));
  return {.B = B,
          .T = T,
          .C = config.model.n_embd,
          .V = config.model.vocab_size.or_else(kGpt2PaddedVocabulary),
          .N = B * T,
          .type = job.compute.type,
          .device = job.compute.device,
          .limit = job.compute.type == at::kFloat ? kFloatKernels : kHalfKernels};
}

KernelTwins layer_norm_check(const KernelSizes& s) {
  const at::Tensor x_NC = s.real({s.N, s.C}), branch_NC = s.low({s.N, s.C}),
                   weight_C = s.real({s.C}), bias_C = s.real({s.C});
  const NormInput in{
      .x_NC = x_NC, .branch_NC = branch_NC, .weight_C = weight_C, .bias_C = bias_C, .type = s.type};
  const auto outputs = [](const NormOutput& out) {
    return Outputs{out.sum_NC, out.y_NC, out.mean_N, out.rstd_N};
  };
  return {[=] { return outputs(add_layer_norm(in)); },
          [=] { return outputs(plain_add_layer_norm(in)); }};
}

KernelTwins layer_norm_backward_check(const KernelSizes& s) {
  const at::Tensor x_NC = s.real({s.N, s.C}), weight_C = s.real({s.C});
  const NormOutput out = plain_add_layer_norm({.x_NC = x_NC, .weight_C = weight_C, .type = s.type});
  const at::Tensor dy_NC = s.low({s.N, s.C}), before_NC = s.real({s.N, s.C});
  const auto run = [=](at::Tensor (*kernel)(const NormGradient&)) {
    const NormGradient gradient{.dy_NC = dy_NC,
                                .x_NC = x_NC,
                                .mean_N = out.mean_N,
                                .rstd_N = out.rstd_N,
                                .weight_C = weight_C,
                                .dx_NC = before_NC.clone(),
                                .dweight_C = at::zeros_like(weight_C),
                                .dbias_C = at::zeros_like(weight_C),
                                .branch = true};
    const at::Tensor branch_NC = kernel(gradient);
    return Outputs{branch_NC, gradient.dx_NC, gradient.dweight_C, gradient.dbias_C};
  };
  return {[=] { return run(layer_norm_backward_); },
          [=] { return run(plain_layer_norm_backward_); }};
}

KernelTwins gelu_check(const KernelSizes& s, bool tanh) {
  const at::Tensor x = s.low({s.N, 4 * s.C}), up = s.low({s.N, 4 * s.C});
  const auto run = [=](at::Tensor (*forward)(const at::Tensor&, bool),
                       void (*backward)(const at::Tensor&, const at::Tensor&, bool)) {
    const at::Tensor dx = up.clone();
    backward(x, dx, tanh);
    return Outputs{forward(x, tanh), dx};
  };
  return {[=] { return run(gelu, gelu_backward_); },
          [=] { return run(plain_gelu, plain_gelu_backward_); }};
}

KernelTwins cross_entropy_check(const KernelSizes& s) {
  constexpr std::int64_t kLogits = std::int64_t{1} << 25;
  const std::int64_t rows = std::min(s.N, std::max<std::int64_t>(16, kLogits / s.V));
  const at::Tensor logits_NV = s.low({rows, s.V}), target_N = s.tokens({rows});
  const auto run = [=](void (*kernel)(const CrossEntropyArgs&)) {
    const CrossEntropyArgs args{.logits_NV = logits_NV.clone(),
                                .target_N = target_N,
                                .loss_N = at::empty({rows}, logits_NV.options().dtype(at::kFloat)),
                                .scale = 1.0};
    kernel(args);
    return Outputs{args.loss_N, args.logits_NV};
  };
  return {[=] { return run(cross_entropy_); }, [=] { return run(plain_cross_entropy_); }};
}

KernelTwins embedding_check(const KernelSizes& s) {
  const at::Tensor tokens_BT = s.tokens({s.B, s.T}), wte_VC = s.real({s.V, s.C}),
                   wpe_TC = s.real({s.T, s.C}), dx_NC = s.real({s.N, s.C});
  const auto run = [=](auto forward, auto backward) {
    const at::Tensor dwte_VC = at::zeros_like(wte_VC), dwpe_TC = at::zeros_like(wpe_TC);
    backward(tokens_BT, dx_NC.clone(), dwte_VC, dwpe_TC);
    return Outputs{forward(tokens_BT, wte_VC, wpe_TC, RowDropout{}), dwte_VC, dwpe_TC};
  };
  return {[=] { return run(embed, embed_backward_); },
          [=] { return run(plain_embed, plain_embed_backward_); }};
}

KernelTwins column_sum_check(const KernelSizes& s) {
  const at::Tensor in_NO = s.low({s.N, 3 * s.C}), before_O = s.real({3 * s.C});
  const auto run = [=](void (*kernel)(const at::Tensor&, const at::Tensor&)) {
    const at::Tensor out_O = before_O.clone();
    kernel(in_NO, out_O);
    return Outputs{out_O};
  };
  return {[=] { return run(add_column_sums_); }, [=] { return run(plain_add_column_sums_); }};
}

// The mask is a function of its place: the CPU's is the plain one.
KernelTwins dropout_check(const KernelSizes& s) {
  const at::Tensor x_BTC = s.low({s.B, s.T, s.C}), sequence_B = at::arange(s.B, at::kLong);
  const DropoutPlace place{.seed = 1, .step = 2, .layer = 3, .site = 1};
  return {[=] { return Outputs{keyed_dropout(x_BTC, 0.1, sequence_B, place)}; },
          [=] {
            const at::Tensor there = keyed_dropout(x_BTC.to(at::kCPU), 0.1, sequence_B, place);
            return Outputs{there.to(x_BTC.device())};
          }};
}

// One update of two tensors, of which one decays. The plain one is algorithm 2 of the paper.
KernelTwins adamw_check(const KernelSizes& s) {
  const UpdateRates rates{.learning_rate = 1e-3, .beta1 = 0.9, .beta2 = 0.95, .epsilon = 1e-8};
  std::vector<UpdatedParameter> all;
  for (const double decay : {0.1, 0.0})
    all.push_back({s.real({s.C, 4 * s.C + 1}), s.real({s.C, 4 * s.C + 1}),
                   s.real({s.C, 4 * s.C + 1}), s.real({s.C, 4 * s.C + 1}).square(),
                   at::full({}, 3.0, at::TensorOptions().device(s.device).dtype(at::kFloat)),
                   decay});
  const at::Tensor factor = at::full_like(all.front().step, 0.5),
                   skip = at::zeros_like(all.front().step);
  const auto plain = [=] {
    Outputs outputs;
    at::Tensor squares = at::zeros_like(skip);
    for (const UpdatedParameter& p : all) {
      const at::Tensor g = p.gradient * factor;
      squares = squares + p.gradient.square().sum();
      const at::Tensor m = rates.beta1 * p.exp_avg + (1 - rates.beta1) * g;
      const at::Tensor v = rates.beta2 * p.exp_avg_sq + (1 - rates.beta2) * g.square();
      const at::Tensor m_hat = m / (1 - at::pow(rates.beta1, p.step)),
                       v_hat = v / (1 - at::pow(rates.beta2, p.step));
      outputs.push_back(p.parameter * (1 - rates.learning_rate * p.weight_decay) -
                        rates.learning_rate * m_hat / (v_hat.sqrt() + rates.epsilon));
      outputs.insert(outputs.end(), {m, v});
    }
    outputs.push_back(squares.sqrt());
    return outputs;
  };
  const auto ours = [=] {
    if (!ParameterTable::usable(skip)) return plain();
    std::vector<UpdatedParameter> copies;
    Outputs outputs;
    for (const UpdatedParameter& p : all) {
      copies.push_back({p.parameter.clone(), p.gradient, p.exp_avg.clone(), p.exp_avg_sq.clone(),
                        p.step, p.weight_decay});
      const UpdatedParameter& copy = copies.back();
      outputs.insert(outputs.end(), {copy.parameter, copy.exp_avg, copy.exp_avg_sq});
    }
    ParameterTable table;
    table.set(copies);
    outputs.push_back(table.gradient_norm());
    table.adamw(rates, factor, skip);
    return outputs;
  };
  return {ours, plain};
}

}  // namespace

std::vector<KernelCheck> tensor_kernel_checks(const ProbeJob& job) {
  const KernelSizes s = kernel_sizes(job);
  const bool tanh = job.config.model.gelu == "tanh";
  std::vector<KernelCheck> checks{
      {"layer_norm", s.limit, [=] { return layer_norm_check(s); }},
      {"layer_norm_backward", s.limit, [=] { return layer_norm_backward_check(s); }},
      {"gelu", s.limit, [=] { return gelu_check(s, tanh); }},
      {"cross_entropy", s.limit, [=] { return cross_entropy_check(s); }},
      {"embedding", kFloatKernels, [=] { return embedding_check(s); }},
      {"column_sum", kFloatKernels, [=] { return column_sum_check(s); }},
      {"adamw", kFloatKernels, [=] { return adamw_check(s); }}};
  if (job.config.optimizer.optimizer == "muon")
    checks.push_back(muon_check("muon", s.C, s.device, s.type));
  if (job.config.model.dropout > 0)
    checks.push_back({"dropout", s.limit, [=] { return dropout_check(s); }});
  return checks;
}

}  // namespace gpt
