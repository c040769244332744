#include "cpu_engine.h"

#include <algorithm>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "gpt/base/profile_range.h"
#include "gpt/device/thread_pool.h"
#include "gpt/model/engines.h"

namespace gpt {

namespace {

void require_tokens(const char* what, const at::Tensor& tokens, std::int64_t lowest,
                    std::int64_t vocab) {
  const std::int64_t* data = tokens.const_data_ptr<std::int64_t>();
  for (std::int64_t i = 0; i < tokens.numel(); ++i)
    TORCH_CHECK_INDEX(data[i] >= lowest && data[i] < vocab, what, " ", data[i], " at ", i,
                      " is outside the vocabulary of ", vocab);
}

}  // namespace

CpuEngine::CpuEngine(const ModelConfig& config, const Gpt& model, const Compute& compute,
                     const Plan& plan, Parallelism parallelism)
    : model_(model),
      fixed_{.layers = config.n_layer,
             .heads = config.n_head,
             .width = config.n_embd,
             .vocab = model.vocab_size(),
             .parameters = model.parameter_count() + model.block_size() * config.n_embd,
             .low = compute.type == at::kBFloat16},
      tanh_gelu_(config.gelu == "tanh"),
      parallelism_(parallelism),
      plan_(plan),
      weights_(model, fixed_.low) {
  TORCH_CHECK(fixed_.low || compute.type == at::kFloat, "CpuEngine: float32 or bfloat16 is needed");
}

void CpuEngine::replan(const Plan& plan) {
  if (plan == plan_) return;
  plan_ = plan;
  arena_ = at::Tensor();  // a smaller one may be the point
}

void CpuEngine::release_memory() {
  arena_ = gradient_ = at::Tensor();
  partial_.clear();
  weights_.keep_packed(0);
}

void CpuEngine::mask_documents(std::int64_t end_token) {
  document_end_ = end_token;
  fixed_.documents = true;
}

at::Tensor CpuEngine::accumulate(const at::Tensor& x_BT, const at::Tensor& y_BT,
                                 const LossScale& scale, const DropoutState& dropout) {
  return run(x_BT, y_BT, static_cast<float>(scale.per_token * scale.gradient), dropout,
             /*gradients=*/true);
}

at::Tensor CpuEngine::token_losses(const at::Tensor& x_BT, const at::Tensor& y_BT) {
  return run(x_BT, y_BT, 0, {}, /*gradients=*/false);
}

at::Tensor CpuEngine::run(const at::Tensor& x_BT, const at::Tensor& y_BT, float factor,
                          const DropoutState& dropout, bool gradients) {
  const at::NoGradGuard no_grad;
  const at::Tensor x = x_BT.contiguous(), y = y_BT.contiguous();
  const std::int64_t B = x.size(0), T = x.size(1);
  TORCH_CHECK(T <= model_.block_size(), "a sequence of ", T, " tokens is longer than block_size ",
              model_.block_size());
  require_tokens("token", x, 0, fixed_.vocab);
  require_tokens("target", y, -1, fixed_.vocab);
  ThreadPool& workers = thread_pool();
  const int threads = workers.size();
  together_ =
      parallelism_ == Parallelism::kWithinLayers ||
      (parallelism_ == Parallelism::kAutomatic && cpu_threads_share(fixed_.parameters, B, threads));
  fixed_.recompute = plan_.recompute;
  CpuShape shape = cpu_shape(fixed_, together_, B, T, plan_.head_chunk, threads);
  shape.gradients = gradients;
  const CpuModel model{.shape = shape,
                       .tanh_gelu = tanh_gelu_,
                       .weights = &weights_,
                       .dropout = dropout,
                       .document_end = document_end_};
  if (weights_.keep_packed(cpu_packed_bytes(shape))) stale_ = true;
  if (std::exchange(stale_, false)) weights_.refresh();
  const int parts = together_ ? threads : shape.groups;
  if (gradients) prepare_gradients(parts);
  arena_stride_ = cpu_arena_bytes(shape);
  const std::int64_t bytes = arena_stride_ * shape.groups;
  if (!arena_.defined() || arena_.numel() < bytes) {
    arena_ = at::Tensor();
    arena_ = at::empty({bytes}, at::kByte);
  }

  at::Tensor loss = at::empty({B * T}, at::kFloat);
  const bool drops = dropout.on && dropout.p > 0;
  const Group all{.x = x.const_data_ptr<std::int64_t>(),
                  .y = y.const_data_ptr<std::int64_t>(),
                  .sequence = drops ? dropout.sequence_B.const_data_ptr<std::int64_t>() : nullptr,
                  .loss = loss.mutable_data_ptr<float>(),
                  .sequences = B,
                  .tokens = B * T,
                  .factor = factor};
  Barrier barrier(parts);
  workers.run([&](int rank) {
    if (rank >= parts) return;
    if (fixed_.low)
      work<Bf16>(model, all, rank, parts, &barrier);
    else
      work<float>(model, all, rank, parts, &barrier);
  });
  if (gradients) gather_gradients(parts);
  return loss;
}

// The sequences of this thread, or with others all of them, a group at a time.
template <class X>
void CpuEngine::work(const CpuModel& model, const Group& all, int rank, int parts,
                     Barrier* barrier) {
  const CpuShape& shape = model.shape;
  const ThreadGroup threads = together_ ? ThreadGroup{rank, parts, barrier} : ThreadGroup{};
  Arena arena(static_cast<std::byte*>(arena_.mutable_data_ptr()) +
              (together_ ? 0 : rank * arena_stride_));
  const CpuBuffers<X> buffers(shape, arena);
  const GemmWorkspace space(buffers.gemm_workspace[static_cast<std::size_t>(threads.rank)]);
  const auto [begin, end] =
      together_ ? Partition{0, all.sequences} : ThreadGroup{rank, parts}.partition(all.sequences);
  const std::int64_t T = shape.tokens, step = shape.group / T;
  for (std::int64_t first = begin; first < end; first += step) {
    Group group = all;
    group.x += first * T;
    group.y += first * T;
    group.loss += first * T;
    if (group.sequence) group.sequence += first;
    group.sequences = std::min(step, end - first);
    group.tokens = group.sequences * T;
    CpuPass<X> pass(model, buffers, group, threads,
                    shape.gradients ? gradient_of(rank, /*matrices=*/true) : nullptr,
                    shape.gradients ? gradient_of(rank, /*matrices=*/false) : nullptr);
    pass.forward();
    pass.head();
    if (shape.gradients) pass.backward();
  }
}

// Rank 0 adds to the parameters' gradients themselves.
float* CpuEngine::gradient_of(int rank, bool matrices) const {
  if (rank == 0 || (matrices && together_)) return gradient_.mutable_data_ptr<float>();
  float* partial = partial_[static_cast<std::size_t>(rank - 1)].mutable_data_ptr<float>();
  return together_ ? partial - weights_.vectors_begin() : partial;
}

void CpuEngine::prepare_gradients(int parts) {
  if (!gradient_.defined()) gradient_ = at::empty({weights_.gradient_size()}, at::kFloat);
  const bool go_on = weights_.gradients_attached(gradient_);
  std::vector<at::Tensor> foreign;
  if (!go_on)
    for (const Parameter& parameter : model_.parameters())
      foreign.push_back(parameter.tensor.grad().defined() ? parameter.tensor.grad().clone()
                                                          : at::Tensor());
  const std::int64_t partial =
      weights_.gradient_size() - (together_ ? weights_.vectors_begin() : 0);
  const auto helpers = static_cast<std::size_t>(parts - 1);
  partial_.resize(std::max(partial_.size(), helpers));
  for (std::size_t i = 0; i < helpers; ++i)
    if (at::Tensor& tensor = partial_[i]; !tensor.defined() || tensor.numel() < partial) {
      tensor = at::Tensor();
      tensor = at::empty({partial}, at::kFloat);
    }
  ThreadPool& workers = thread_pool();
  workers.run([&](int rank) {
    if (rank > 0 && rank < parts)
      std::fill_n(partial_[static_cast<std::size_t>(rank - 1)].mutable_data_ptr<float>(), partial,
                  0.0f);
    if (go_on) return;
    const auto [begin, end] = workers.partition(weights_.gradient_size(), rank, 16);
    float* data = gradient_.mutable_data_ptr<float>();
    std::fill(data + begin, data + end, 0.0f);
  });
  if (go_on) return;
  weights_.attach_gradients(gradient_);
  for (std::size_t i = 0; i < foreign.size(); ++i)
    if (foreign[i].defined()) model_.parameters()[i].tensor.mutable_grad().add_(foreign[i]);
}

// Ranks in their order, whichever was done first.
void CpuEngine::gather_gradients(int parts) {
  if (parts == 1) return;
  const ProfileRange range("gradients");
  ThreadPool& workers = thread_pool();
  const std::int64_t first = together_ ? weights_.vectors_begin() : 0;
  workers.run([&](int rank) {
    const auto [begin, end] = workers.partition(weights_.gradient_size() - first, rank, 16);
    float* to = gradient_.mutable_data_ptr<float>() + first;
    for (std::size_t i = 0; i + 1 < static_cast<std::size_t>(parts); ++i)
      row_kernels().add(to + begin, partial_[i].const_data_ptr<float>() + begin, end - begin);
  });
}

std::unique_ptr<Engine> make_cpu_engine(const TrainConfig& config, const Gpt& model,
                                        const Compute& compute) {
  return std::make_unique<CpuEngine>(config.model, model, compute,
                                     plan_of(config.model, config.memory, model.vocab_size()));
}

}  // namespace gpt
