#include "gpt/sampling/token_draw.h"

#include <algorithm>
#include <limits>

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include "gpt/base/error.h"
#include "gpt/model/generator_steps.h"

namespace gpt {

namespace {

constexpr float kNever = -std::numeric_limits<float>::infinity();

std::int64_t likeliest(const at::Tensor& logits_V, const DrawOptions& options) {
  const std::int64_t all = logits_V.size(0);
  const std::int64_t count = options.vocabulary > 0 ? std::min(options.vocabulary, all) : all;
  return logits_V.narrow(0, 0, count).argmax().item<std::int64_t>();
}

// Keeps the likeliest tokens whose probabilities first reach p; those before that point add up to
// less than p.
at::Tensor nucleus(const at::Tensor& p_V, double p) {
  const auto [sorted_V, order_V] = p_V.sort(/*dim=*/0, /*descending=*/true);
  const at::Tensor before_V = sorted_V.cumsum(0) - sorted_V;
  const at::Tensor kept_V = sorted_V.masked_fill(before_V >= p, 0);
  const at::Tensor q_V = at::zeros_like(p_V).scatter(0, order_V, kept_V);
  return q_V / q_V.sum();
}

// Steps of the generator in one draw, found by doing one: LibTorch builds may differ in it.
std::int64_t steps_of_a_draw(std::int64_t vocab_size) {
  at::Generator drawn = at::detail::createCPUGenerator(1);
  at::multinomial(at::ones({vocab_size}), 1, /*replacement=*/false, drawn);
  const auto target = at::check_generator<at::CPUGeneratorImpl>(drawn)->engine().data();
  at::mt19937 walking(1);
  for (std::int64_t steps = 0; steps <= 8 * vocab_size + 1024; ++steps, walking()) {
    // The whole state is compared only where the position in it fits.
    if (steps % at::MERSENNE_STATE_N == target.next_ % at::MERSENNE_STATE_N &&
        walking.data().next_ == target.next_ && walking.data().state_ == target.state_)
      return steps;
  }
  throw Error("this LibTorch's multinomial takes its numbers in a way that cannot be skipped");
}

}  // namespace

at::Tensor penalized(const at::Tensor& logits_V, const std::vector<std::int64_t>& tokens,
                     double repetition_penalty) {
  const at::Tensor tokens_N = at::tensor(tokens, at::kLong);
  const at::Tensor logits_N = logits_V.index_select(0, tokens_N);
  const at::Tensor smaller_N =
      at::where(logits_N < 0, logits_N * repetition_penalty, logits_N / repetition_penalty);
  return logits_V.scatter(0, tokens_N, smaller_N);
}

at::Tensor draw_probabilities(const at::Tensor& logits_V, const DrawOptions& options) {
  if (options.greedy())
    return at::zeros_like(logits_V).index_fill(0, at::tensor({likeliest(logits_V, options)}), 1);
  at::Tensor scaled_V = logits_V / options.temperature;
  // Masked rather than cut off: the number of random numbers stays that of the whole vocabulary.
  const std::int64_t vocab_size = scaled_V.size(0);
  if (options.vocabulary > 0 && options.vocabulary < vocab_size)
    scaled_V.narrow(0, options.vocabulary, vocab_size - options.vocabulary).fill_(kNever);
  if (options.top_k > 0) {
    const std::int64_t k = std::min(options.top_k, vocab_size);
    const at::Tensor kth = std::get<0>(scaled_V.topk(k))[k - 1];
    scaled_V = scaled_V.masked_fill(scaled_V < kth, kNever);
  }
  const at::Tensor p_V = at::softmax(scaled_V, -1);
  return options.top_p < 1 ? nucleus(p_V, options.top_p) : p_V;
}

std::int64_t draw_token(const at::Tensor& logits_V, const DrawOptions& options,
                        at::Generator& generator) {
  if (options.greedy()) return likeliest(logits_V, options);
  const at::Tensor p_1V = draw_probabilities(logits_V, options).unsqueeze(0);
  return at::multinomial(p_1V, 1, /*replacement=*/false, generator).item<std::int64_t>();
}

void skip_draws(at::Generator& generator, std::int64_t vocab_size, std::int64_t draws) {
  if (draws <= 0) return;
  skip_steps(generator, draws * steps_of_a_draw(vocab_size));
}

}  // namespace gpt
