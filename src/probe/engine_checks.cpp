// The engines against each other, three updates, and a graph's replay.
#include <algorithm>
#include <cmath>
#include <limits>

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/core/grad_mode.h>

#include "gpt/base/strings.h"
#include "gpt/device/graph.h"
#include "gpt/optim/adamw.h"
#include "gpt/optim/gradients.h"

#include "check_run.h"
#include "measure.h"

namespace gpt {

namespace {

constexpr std::uint64_t kProbeSeed = 20;

// As the loss scale of a run: float16's gradients of a single token would vanish.
constexpr double kHalfScale = 4096;

// Losses and gradients of one batch.
struct EngineAnswer {
  at::Tensor losses;
  std::vector<at::Tensor> gradients;
};

EngineAnswer answer_of(Engine& engine, const Gpt& model, const at::Tensor& tokens_BT,
                       double gradient_scale) {
  const std::int64_t T = tokens_BT.size(1) - 1;
  const double count = static_cast<double>(tokens_BT.size(0) * T);
  EngineAnswer answer;
  answer.losses =
      engine
          .accumulate(tokens_BT.narrow(1, 0, T).contiguous(),
                      tokens_BT.narrow(1, 1, T).contiguous(), {1 / count, gradient_scale}, {})
          .clone();
  for (const Parameter& parameter : model.parameters())
    answer.gradients.push_back(parameter.tensor.grad().clone());
  return answer;
}

// While it lives, float32 products are not rounded to TF32.
class ExactProducts {
 public:
  ExactProducts() : before_(at::globalContext().allowTF32CuBLAS()) {
    if (before_) at::globalContext().setAllowTF32CuBLAS(false);
  }
  ~ExactProducts() {
    if (before_) at::globalContext().setAllowTF32CuBLAS(true);
  }
  ExactProducts(const ExactProducts&) = delete;
  ExactProducts& operator=(const ExactProducts&) = delete;

 private:
  bool before_;
};

double error_floor(at::ScalarType type) {
  return type == at::kFloat ? 1e-5 : 1e-3;
}

}  // namespace

Gpt& CheckRun::model() {
  if (model_) return *model_;
  ModelConfig shape = job_.config.model;
  shape.n_layer = std::min<std::int64_t>(shape.n_layer, 2);
  shape.dropout = 0;
  auto generator = at::detail::createCPUGenerator(kProbeSeed);
  model_ = std::make_unique<Gpt>(shape, shape.vocab_size.or_else(kGpt2PaddedVocabulary),
                                 job_.config.data.block_size, generator);
  model_->to(device());
  return *model_;
}

void CheckRun::drop_gradients() {
  for (const Parameter& parameter : model().parameters())
    parameter.tensor.mutable_grad() = at::Tensor();
}

at::Tensor CheckRun::tokens(std::int64_t sequences) {
  auto generator = at::detail::createCPUGenerator(kProbeSeed + 1);
  return at::randint(model().vocab_size(), {sequences, job_.config.data.block_size + 1}, generator,
                     at::kLong)
      .to(device());
}

TrainConfig CheckRun::engine_config(const char* compile_mode) {
  TrainConfig config = job_.config;
  config.model.n_layer = model().layers();
  config.model.dropout = 0;
  config.system.compile_mode = compile_mode;
  config.memory.optimizer_offload = "off";
  if (config.memory.recompute == "auto") config.memory.recompute = "none";
  return config;
}

std::unique_ptr<Engine> CheckRun::make(const MakeEngine& engine, const char* compile_mode) {
  drop_gradients();
  return engine(engine_config(compile_mode), model(), job_.compute);
}

double CheckRun::scale() const {
  return job_.compute.type == at::kHalf ? kHalfScale : 1;
}

bool CheckRun::has_fused() const {
  return device_answers_ && wants_fused() && settle(results_, job_.wants).choices.fused;
}

// Which products there are, shows when the engine runs: micro-batches, the smaller last one, and
// evaluations.
void CheckRun::find_products() {
  if (!has_fused()) return;
  check({.check = kCheckEngine, .item = kItemFused}, 0, [&](CheckResult&) {
    const DataConfig& data = job_.config.data;
    const std::int64_t micro = data.micro_batch_size.or_else(data.batch_size),
                       last = data.batch_size * data.gradient_accumulation_steps % micro;
    const auto engine = make(subjects_.fused);
    answer_of(*engine, model(), tokens(micro), scale());
    if (last > 0) answer_of(*engine, model(), tokens(last), scale());
    const at::Tensor x = tokens(data.eval_batch_size.or_else(micro));
    const std::int64_t T = data.block_size;
    engine->token_losses(x.narrow(1, 0, T).contiguous(), x.narrow(1, 1, T).contiguous());
    return 0;
  });
}

// The errors of eager against float32; of float32 itself on the CPU against float64, on a card
// against products that are not rounded to TF32.
double CheckRun::compare_eager(EngineComparison& comparison) {
  const bool doubles = device().is_cpu() && job_.compute.type == at::kFloat;
  const at::Tensor batch = tokens(comparison.sequences);
  {
    const ExactProducts exact;
    const Gpt precise = doubles ? model().copied(at::kDouble) : model().with_plain_attention();
    drop_gradients();
    const auto engine = subjects_.eager(engine_config("default"), precise, {device(), at::kFloat});
    EngineAnswer answer = answer_of(*engine, precise, batch, scale());
    comparison.losses = answer.losses;
    comparison.gradients = std::move(answer.gradients);
  }
  const EngineAnswer eager = answer_of(*make(subjects_.eager), model(), batch, scale());
  comparison.eager_errors.clear();
  double worst = relative_error({eager.losses}, {comparison.losses});
  for (std::size_t i = 0; i < comparison.gradients.size(); ++i) {
    const double error = relative_error({eager.gradients[i]}, {comparison.gradients[i]});
    comparison.eager_errors.push_back(error);
    if (!(error <= worst)) worst = error;
  }
  return worst;
}

// How many times as far off as eager's the worst of fused's gradients is. Both errors are estimates
// from as many elements as the gradient has: those of a small one may differ by chance.
double CheckRun::compare_fused(const EngineComparison& comparison, CheckResult& result) {
  constexpr double kLossLimit = 1e-2;
  const EngineAnswer fused =
      answer_of(*make(subjects_.fused), model(), tokens(comparison.sequences), scale());
  if (const double loss = relative_error({fused.losses}, {comparison.losses});
      !(loss <= kLossLimit)) {
    result.what =
        format("its losses are %.2g off those of float32, at most %.2g", loss, kLossLimit);
    return std::numeric_limits<double>::infinity();
  }
  double worst = 0;
  for (std::size_t i = 0; i < comparison.gradients.size() && !std::isnan(worst); ++i) {
    const double chance = 1 + 2 / std::sqrt(static_cast<double>(comparison.gradients[i].numel()));
    const double ratio =
        relative_error({fused.gradients[i]}, {comparison.gradients[i]}) /
        (chance * std::max(comparison.eager_errors[i], error_floor(job_.compute.type)));
    if (ratio <= worst) continue;
    worst = ratio;
    result.what = concat("the gradient of ", model().parameters()[i].name,
                         format(" is %.2f times as far off float32 as eager's", ratio));
  }
  return worst;
}

void CheckRun::check_engines() {
  constexpr double kEagerLimit = 0.2, kRatioLimit = 1.3;
  if (!device_answers_) return;
  const DataConfig& data = job_.config.data;
  EngineComparison comparison{.sequences = data.micro_batch_size.or_else(data.batch_size)};
  // Two layers in float32 may need more than all of the run's: then fewer sequences will do.
  for (;; comparison.sequences /= 2) {
    check({.check = kCheckEngine, .item = kItemEager}, kEagerLimit,
          [&](CheckResult&) { return compare_eager(comparison); });
    if (comparison.sequences == 1 || !skipped(kCheckEngine, kItemEager)) break;
  }
  if (!has_fused() || comparison.eager_errors.empty()) return;
  check({.check = kCheckEngine, .item = kItemFused}, kRatioLimit,
        [&](CheckResult& result) { return compare_fused(comparison, result); });
}

void CheckRun::check_updates() {
  if (!device_answers_ || bad(kCheckEngine, kItemEager)) return;
  const bool fused = has_fused();
  check({.check = kCheckUpdates, .item = fused ? kItemFused : kItemEager}, 0,
        [&](CheckResult& result) {
          const auto engine = make(fused ? subjects_.fused : subjects_.eager);
          OptimizerConfig config = job_.config.optimizer;
          AdamW optimizer(tensors_of(model().parameters()), config);
          const at::Tensor batch = tokens(1);
          at::Tensor first, last;
          for (int update = 0; update < 4; ++update) {
            drop_gradients();
            last = answer_of(*engine, model(), batch, scale()).losses.mean();
            if (update == 0) first = last;
            if (update == 3) break;
            const at::NoGradGuard no_grad;
            optimizer.step(1e-3, any_non_finite({optimizer.gradient_norm(), last}));
            engine->weights_changed();
          }
          result.what = "the loss of one batch after three updates, less that before";
          const double difference = (last - first).item<float>();
          if (difference <= 0) result.what.clear();
          return difference;
        });
}

// Twice the same batch, by launches and by a graph's replay.
void CheckRun::check_replay() {
  if (!job_.wants.graphs || !has_fused() || !DeviceGraphs::supported(device()) ||
      bad(kCheckGraphs, "graph"))
    return;
  check({.check = kCheckGraphs, .item = "replay"}, 1e-3, [&](CheckResult& result) {
    const DataConfig& data = job_.config.data;
    const at::Tensor batch = tokens(data.micro_batch_size.or_else(data.batch_size));
    const EngineAnswer launched = answer_of(*make(subjects_.fused), model(), batch, scale());
    const auto engine = make(subjects_.fused, "reduce-overhead");
    EngineAnswer replayed;
    for (int step = 0; step < 4; ++step) {
      drop_gradients();
      replayed = answer_of(*engine, model(), batch, scale());
      engine->weights_changed();
    }
    if (engine->recorded_graphs() == 0) {
      result.what = "the work was not recorded";
      return std::numeric_limits<double>::infinity();
    }
    std::vector<at::Tensor> actual = replayed.gradients, expected = launched.gradients;
    actual.push_back(replayed.losses);
    expected.push_back(launched.losses);
    return relative_error(actual, expected);
  });
}

}  // namespace gpt
