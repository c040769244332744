#include "gpt/sampling/generate.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

namespace gpt {

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// The texts that still grow, all of the same length.
class Texts {
 public:
  Texts(const Decoder& decoder, std::vector<std::int64_t> prompt, const GenerateOptions& options,
        std::size_t count)
      : decoder_(decoder), options_(options), all_(count, std::move(prompt)) {
    for (std::size_t row = 0; row < count; ++row) live_.push_back(static_cast<std::int64_t>(row));
  }

  // Reads the prompt once, for all of them.
  void prefill() {
    const std::int64_t whole = length() + options_.max_new_tokens - 1;
    KvCache one = decoder_.make_cache(1, std::min(whole, decoder_.block_size()));
    const at::Tensor x_1TC = decoder_.forward(window(live_.front(), decoder_.block_size()), &one);
    logits_BV_ = last_logits(x_1TC).expand({rows(), -1});
    cache_.emplace(live_.size() == 1 ? std::move(one) : one.repeated(rows()));
  }

  // The logits after the newest tokens. False if the texts are full and must end.
  bool advance() {
    const std::int64_t block = decoder_.block_size();
    if (cache_->length() < block) {
      logits_BV_ = last_logits(decoder_.forward(windows(live_, 1), &*cache_));
    } else if (options_.when_full == WhenFull::kCrop) {
      logits_BV_ = cropped_logits();
    } else if (options_.when_full == WhenFull::kHalf) {
      cache_->clear();
      logits_BV_ = last_logits(decoder_.forward(windows(live_, (block + 1) / 2), &*cache_));
    } else {
      return false;
    }
    return true;
  }

  // One draw for each living text, each from its own generator.
  std::vector<std::int64_t> draw(std::vector<at::Generator>& generators) const {
    const at::NoGradGuard no_grad;
    const at::Tensor logits_BV = logits_BV_.to(at::kCPU, at::kFloat);
    std::vector<std::int64_t> tokens(live_.size());
    at::parallel_for(0, rows(), 1, [&](std::int64_t first, std::int64_t last) {
      for (std::int64_t i = first; i < last; ++i) {
        const auto row = static_cast<std::size_t>(live_[static_cast<std::size_t>(i)]);
        const double penalty = options_.draw.repetition_penalty;
        const at::Tensor logits_V =
            penalty == 1 ? logits_BV[i] : penalized(logits_BV[i], all_[row], penalty);
        tokens[static_cast<std::size_t>(i)] = draw_token(logits_V, options_.draw, generators[row]);
      }
    });
    return tokens;
  }

  void append(std::int64_t row, std::int64_t token) {
    all_[static_cast<std::size_t>(row)].push_back(token);
  }

  // `places`: indices into live() of the texts that continue.
  void keep(const std::vector<std::int64_t>& places) {
    std::vector<std::int64_t> left;
    for (const std::int64_t place : places) left.push_back(live_[static_cast<std::size_t>(place)]);
    if (!places.empty() && left.size() < live_.size()) cache_->keep(places);
    live_ = std::move(left);
  }

  const std::vector<std::int64_t>& live() const { return live_; }

 private:
  std::int64_t rows() const { return static_cast<std::int64_t>(live_.size()); }
  std::int64_t length() const { return static_cast<std::int64_t>(all_.front().size()); }

  // The last `count` tokens of a text, or all of them: (1, T).
  at::Tensor window(std::int64_t row, std::int64_t count) const {
    const auto& text = all_[static_cast<std::size_t>(row)];
    const std::size_t seen = std::min(text.size(), static_cast<std::size_t>(count));
    const at::ArrayRef<std::int64_t> tokens(text.data() + text.size() - seen, seen);
    return at::tensor(tokens, at::kLong).unsqueeze(0).to(decoder_.device());
  }
  at::Tensor windows(const std::vector<std::int64_t>& some, std::int64_t count) const {
    std::vector<at::Tensor> list;
    for (const std::int64_t row : some) list.push_back(window(row, count));
    return at::cat(list);
  }

  at::Tensor last_logits(const at::Tensor& x_BTC) const {
    return decoder_.logits(x_BTC.select(1, x_BTC.size(1) - 1));
  }

  // A few texts at a time, so that the activations of whole windows stay small.
  at::Tensor cropped_logits() const {
    constexpr std::int64_t kTokens = 8192;
    const auto step = std::max<std::int64_t>(1, kTokens / decoder_.block_size());
    std::vector<at::Tensor> list;
    for (std::int64_t first = 0; first < rows(); first += step) {
      const auto begin = live_.begin() + first;
      const std::vector<std::int64_t> some(begin, begin + std::min(step, rows() - first));
      list.push_back(last_logits(decoder_.forward(windows(some, decoder_.block_size()))));
    }
    return at::cat(list);
  }

  const Decoder& decoder_;
  const GenerateOptions& options_;
  std::vector<std::vector<std::int64_t>> all_;  // every text's tokens, prompt included
  std::vector<std::int64_t> live_;              // rows of all_ that still grow
  std::optional<KvCache> cache_;                // of the living texts, in the order of live_
  at::Tensor logits_BV_;
};

}  // namespace

GenerateTimes generate(const Decoder& decoder, std::vector<std::int64_t> prompt,
                       const GenerateOptions& options, std::vector<at::Generator> generators,
                       const TakeToken& take, const std::function<void(std::int64_t row)>& ended) {
  TORCH_CHECK(!prompt.empty(), "generate: the prompt needs at least one token");
  GenerateTimes times;
  times.prompt_tokens = static_cast<std::int64_t>(
      std::min(prompt.size(), static_cast<std::size_t>(decoder.block_size())));
  if (generators.empty() || options.max_new_tokens < 1) return times;
  Texts texts(decoder, std::move(prompt), options, generators.size());
  auto start = Clock::now();
  texts.prefill();
  times.prefill = seconds_since(start);
  start = Clock::now();
  for (std::int64_t n = 1; !texts.live().empty(); ++n) {
    const std::vector<std::int64_t> tokens = texts.draw(generators), rows = texts.live();
    std::vector<std::int64_t> places;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const bool stop = options.stop && tokens[i] == *options.stop;
      if (!stop) {
        ++times.new_tokens;
        texts.append(rows[i], tokens[i]);
      }
      if (!stop && take(rows[i], tokens[i]) && n < options.max_new_tokens)
        places.push_back(static_cast<std::int64_t>(i));
      else if (ended)
        ended(rows[i]);
    }
    texts.keep(places);
    if (texts.live().empty() || texts.advance()) continue;
    if (ended)
      for (const std::int64_t row : texts.live()) ended(row);
    break;
  }
  times.decode = seconds_since(start);
  return times;
}

}  // namespace gpt
