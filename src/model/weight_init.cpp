#include "gpt/model/weight_init.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include <ATen/Parallel.h>

#include "gpt/model/generator_steps.h"

namespace gpt {

namespace {

// LibTorch draws a normal_ of at least 16 values in sixteens, each from as many raw numbers, so
// that parts can be drawn apart; where a rest stays, the last 16 values are drawn again. Fewer than
// 16 are drawn by another loop.
constexpr std::int64_t kSixteen = 16, kPiece = std::int64_t{1} << 20;

at::mt19937 engine_of(at::Generator& generator) {
  return at::check_generator<at::CPUGeneratorImpl>(generator)->engine();
}

constexpr double kInitStd = 0.02;

std::int64_t elements(const ParameterShape& parameter) {
  return c10::multiply_integers(parameter.shape);
}

// PyTorch's modules draw when they are built; nanoGPT's init_weights draws everything again, once
// more the head, which is tied to the token embedding, and then the projections once more. `normal`
// draws weight number i of the table.
void draw_in_order(const std::vector<ParameterShape>& table, std::int64_t n_layer, WeightInit& init,
                   const std::function<void(std::size_t i, double std)>& normal) {
  using enum ParameterRole;
  const auto each = [&](const std::function<void(std::size_t, const ParameterShape&)>& visit) {
    for (std::size_t i = 0; i < table.size(); ++i) visit(i, table[i]);
  };
  const std::size_t token_embedding = 0;
  each([&](std::size_t, const ParameterShape& parameter) {
    if (parameter.role == kTokenEmbedding || parameter.role == kPositionEmbedding)
      init.skip_normal(elements(parameter));
    if (is_gemm_weight(parameter.role) || parameter.role == kLinearBias)
      init.skip_uniform(elements(parameter));
  });
  init.skip_uniform(elements(table[token_embedding]));  // the head, before it is tied
  each([&](std::size_t i, const ParameterShape& parameter) {
    if (parameter.role == kTokenEmbedding || parameter.role == kProjectionWeight)
      init.skip_normal(elements(parameter));
    if (parameter.role == kPositionEmbedding || parameter.role == kLinearWeight)
      normal(i, kInitStd);
  });
  normal(token_embedding, kInitStd);  // once more as the head
  each([&](std::size_t i, const ParameterShape& parameter) {
    if (parameter.role == kProjectionWeight)
      normal(i, kInitStd / std::sqrt(2.0 * static_cast<double>(n_layer)));
  });
}

}  // namespace

void init_weights(const ParameterList& parameters, const std::vector<ParameterShape>& table,
                  std::int64_t n_layer, at::Generator& generator) {
  WeightInit init(generator);
  draw_in_order(table, n_layer, init,
                [&](std::size_t i, double std) { init.normal(parameters[i].tensor, std); });
  init.draw();
}

void skip_init(at::Generator& generator, const ModelShape& shape) {
  const std::vector<ParameterShape> table = parameter_table(shape);
  WeightInit init(generator);
  draw_in_order(table, shape.config.n_layer, init,
                [&](std::size_t i, double) { init.skip_normal(elements(table[i])); });
}

void WeightInit::skip_uniform(std::int64_t count) {
  skip_steps(generator_, count);
}

void WeightInit::skip_normal(std::int64_t count) {
  if (count < kSixteen)
    at::empty({count}).normal_(0.0, 1.0, generator_);
  else
    skip_steps(generator_, count + (count % kSixteen == 0 ? 0 : kSixteen));
}

void WeightInit::normal(const at::Tensor& weight, double std) {
  const std::int64_t count = weight.numel();
  const at::Tensor weight_N = weight.detach().view({count});
  if (count < kSixteen) {
    weight_N.normal_(0.0, std, generator_);
    return;
  }
  for (std::int64_t first = 0; first < count;) {
    std::int64_t size = std::min(kPiece, count - first);
    if (count - first - size < kSixteen) size = count - first;
    pieces_.push_back({weight_N.narrow(0, first, size), std, engine_of(generator_)});
    skip_normal(size);
    first += size;
  }
}

void WeightInit::draw() {
  at::parallel_for(0, static_cast<std::int64_t>(pieces_.size()), /*grain_size=*/1,
                   [&](std::int64_t first, std::int64_t last) {
                     at::Generator generator = at::detail::createCPUGenerator();
                     auto* cpu = at::check_generator<at::CPUGeneratorImpl>(generator);
                     for (; first < last; ++first) {
                       const Piece& piece = pieces_[static_cast<std::size_t>(first)];
                       cpu->set_engine(piece.engine);
                       piece.weight_N.normal_(0.0, piece.std, generator);
                     }
                   });
  pieces_.clear();
}

}  // namespace gpt
