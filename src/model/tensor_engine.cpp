#include "tensor_engine.h"

#include <utility>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "gpt/base/profile_range.h"
#include "gpt/config/offload.h"
#include "gpt/kernels/ops/embedding.h"
#include "gpt/kernels/ops/lm_head.h"
#include "gpt/model/engines.h"
#include "gpt/model/layers.h"

namespace gpt {

TensorEngine::TensorEngine(const TrainConfig& config, const Gpt& model, const Compute& compute)
    : config_(config.model),
      deterministic_(config.system.deterministic),
      graphs_wanted_(config.system.compile_mode == "reduce-overhead" &&
                     DeviceGraphs::supported(compute.device)),
      model_(model),
      compute_(compute),
      plan_(plan_of(config.model, config.memory, model.vocab_size())),
      weights_(model, compute.type,
               offload_level(config.memory.optimizer_offload) == Offload::kWeights) {}

TensorPass TensorEngine::make_pass(const at::Tensor& x_BT, const DropoutState& dropout) const {
  TORCH_CHECK(x_BT.size(1) <= model_.block_size(), "a sequence of ", x_BT.size(1),
              " tokens is longer than block_size ", model_.block_size());
  TensorPass pass{.B = x_BT.size(0),
                  .T = x_BT.size(1),
                  .C = config_.n_embd,
                  .heads = config_.n_head,
                  .tanh = config_.gelu == "tanh",
                  .type = compute_.type,
                  .attention = AttentionKernel::kPlain,
                  .dropout = dropout,
                  .sequence_B = {}};
  const bool drop = dropout.on && dropout.p > 0;
  if (drop) pass.sequence_B = on_device(dropout, x_BT.device()).sequence_B;
  if (config_.attention != "plain")
    pass.attention = choose_attention(
        {pass.B, pass.heads, pass.T, pass.C / pass.heads, pass.type, x_BT.device()},
        /*masked=*/drop || document_end_, deterministic_);
  return pass;
}

TensorEngine::Activations TensorEngine::forward(const TensorPass& pass, const at::Tensor& x_BT,
                                                bool keep) {
  const ProfileRange range("forward");
  Activations activations;
  if (keep) activations.block.resize(weights_.h.size());
  ResidualStream stream{embed(x_BT, weights_.wte.master, weights_.wpe.master,
                              pass.row_dropout(/*layer=*/-1, kEmbedding)),
                        /*branch_NC=*/{}};
  for (std::size_t layer = 0; layer < weights_.h.size(); ++layer) {
    const TensorBlock block(pass, weights_.h[layer], static_cast<std::int64_t>(layer));
    stream = keep ? block.forward(std::move(stream), plan_.recompute, activations.block[layer])
                  : block.evaluate(std::move(stream));
  }
  activations.ln_f = add_layer_norm(
      {.x_NC = stream.x_NC,
       .branch_NC = stream.branch_NC,
       .dropout = pass.row_dropout(static_cast<std::int64_t>(weights_.h.size()) - 1, kMlpOutput),
       .weight_C = weights_.ln_f.weight.master,
       .bias_C = weights_.ln_f.bias.master,
       .type = pass.type});
  return activations;
}

at::Tensor TensorEngine::head(const at::Tensor& y_NC, const at::Tensor& target_BT, double scale,
                              const at::Tensor& dy_NC) const {
  const ProfileRange range("head");
  at::Tensor token_N =
      at::empty({target_BT.numel()}, y_NC.options().dtype(weights_.wte.master.scalar_type()));
  lm_head_pass({.x_NC = y_NC,
                .weight_VC = weights_.head_copy(),
                .target_N = target_BT.flatten(),
                .token_N = token_N,
                .dx_NC = dy_NC,
                .dweight_VC = weights_.head_gradient(),
                .chunk = plan_.head_chunk,
                .scale = scale,
                .vocab = weights_.wte.master.size(0),
                .stride = padded_vocabulary(weights_.wte.master.size(0))});
  return token_N;
}

void TensorEngine::backward(const TensorPass& pass, const at::Tensor& x_BT,
                            Activations& activations, at::Tensor dy_NC,
                            const GradientsComplete& complete) {
  const ProfileRange range("backward");
  NormOutput& ln_f = activations.ln_f;
  ln_f.y_NC.reset();
  const auto last = static_cast<std::int64_t>(weights_.h.size()) - 1;
  at::Tensor dx_NC = at::empty_like(ln_f.sum_NC);
  at::Tensor dbranch_NC = layer_norm_backward_({.dy_NC = dy_NC,
                                                .x_NC = ln_f.sum_NC,
                                                .mean_N = ln_f.mean_N,
                                                .rstd_N = ln_f.rstd_N,
                                                .weight_C = weights_.ln_f.weight.master,
                                                .dx_NC = dx_NC,
                                                .dweight_C = weights_.ln_f.weight.gradient,
                                                .dbias_C = weights_.ln_f.bias.gradient,
                                                .accumulate = false,
                                                .branch = true,
                                                .dropout = pass.row_dropout(last, kMlpOutput)});
  ln_f = {};
  dy_NC.reset();
  std::vector<TensorWeights::Part> parts;
  if (complete) parts = weights_.gradient_parts();
  std::size_t done = 0;
  for (std::int64_t layer = last; layer >= 0; --layer) {
    const auto at = static_cast<std::size_t>(layer);
    const TensorBlock block(pass, weights_.h[at], layer);
    dbranch_NC = block.backward(activations.block[at], dx_NC, std::move(dbranch_NC));
    if (done < parts.size() && parts[done].layer == layer) complete(++done);
  }
  const RowDropout dropout = pass.row_dropout(/*layer=*/-1, kEmbedding);
  if (dropout.p > 0)
    dx_NC = keyed_dropout(dx_NC.view({pass.B, pass.T, pass.C}), dropout.p, dropout.sequence_B,
                          dropout.place)
                .flatten(0, 1);
  embed_backward_(x_BT, dx_NC, weights_.wte.gradient, weights_.wpe.gradient);
  if (complete) complete(parts.size());
}

// From the tokens in hand: a graph finds others there in each replay.
void TensorEngine::find_documents(const at::Tensor& x_BT, TensorPass& pass) const {
  if (document_end_) pass.start_BT = document_starts(x_BT, *document_end_);
}

at::Tensor TensorEngine::plain_accumulate(TensorPass pass, const at::Tensor& x_BT,
                                          const at::Tensor& y_BT, const LossScale& scale,
                                          const GradientsComplete& complete) {
  find_documents(x_BT, pass);
  Activations activations = forward(pass, x_BT, /*keep=*/true);
  at::Tensor dy_NC = at::empty_like(activations.ln_f.y_NC);
  at::Tensor token_N = head(activations.ln_f.y_NC, y_BT, scale.per_token * scale.gradient, dy_NC);
  backward(pass, x_BT, activations, std::move(dy_NC), complete);
  return token_N;
}

at::Tensor TensorEngine::accumulate(const at::Tensor& x_BT, const at::Tensor& y_BT,
                                    const LossScale& scale, const DropoutState& dropout) {
  const at::NoGradGuard no_grad;
  weights_.take_gradients();
  weights_.refresh_copies();
  const TensorPass pass = make_pass(x_BT, dropout);
  if (!graphs_wanted_ || !weights_.owns_gradients())
    return plain_accumulate(pass, x_BT, y_BT, scale);
  const bool drops = pass.sequence_B.defined();
  const LaunchConstants constants{.scale = scale,
                                  .p = drops ? dropout.p : 0,
                                  .seed = drops ? dropout.seed : 0,
                                  .step_high = drops ? dropout.step >> 32 : 0};
  const GraphInput input{.x_BT = x_BT, .y_BT = y_BT, .sequence_B = pass.sequence_B};
  return graphs_.run(input, dropout.step, constants, [=, this](const GraphInput& in) {
    TensorPass own = pass;
    own.sequence_B = in.sequence_B;
    own.step_1 = in.step_1;
    return plain_accumulate(own, in.x_BT, in.y_BT, scale);
  });
}

at::Tensor TensorEngine::accumulate_last(const at::Tensor& x_BT, const at::Tensor& y_BT,
                                         const LossScale& scale, const DropoutState& dropout,
                                         const GradientsComplete& complete) {
  if (graphs_wanted_) return accumulate(x_BT, y_BT, scale, dropout);
  const at::NoGradGuard no_grad;
  weights_.take_gradients();
  weights_.refresh_copies();
  TORCH_CHECK(weights_.owns_gradients(), "gradients that others hold are not complete in parts");
  return plain_accumulate(make_pass(x_BT, dropout), x_BT, y_BT, scale, complete);
}

std::vector<at::Tensor> TensorEngine::gradient_parts() const {
  std::vector<at::Tensor> parts;
  if (graphs_wanted_) return parts;
  for (const TensorWeights::Part& part : weights_.gradient_parts()) parts.push_back(part.flat);
  return parts;
}

at::Tensor TensorEngine::token_losses(const at::Tensor& x_BT, const at::Tensor& y_BT) {
  const at::NoGradGuard no_grad;
  weights_.refresh_copies();
  TensorPass pass = make_pass(x_BT, {});
  find_documents(x_BT, pass);
  const at::Tensor y_NC = forward(pass, x_BT, /*keep=*/false).ln_f.y_NC;
  return head(y_NC, y_BT, /*scale=*/1, /*dy_NC=*/{});
}

// Also where the plan is the same: what was recorded is of micro-batches that may not come again.
void TensorEngine::replan(const Plan& plan) {
  graphs_.clear();
  plan_ = plan;
}

void TensorEngine::mask_documents(std::int64_t end_token) {
  graphs_.clear();
  document_end_ = end_token;
}

void TensorEngine::release_memory() {
  graphs_.clear();
  weights_.release();
}

std::unique_ptr<Engine> make_tensor_engine(const TrainConfig& config, const Gpt& model,
                                           const Compute& compute) {
  return std::make_unique<TensorEngine>(config, model, compute);
}

}  // namespace gpt
