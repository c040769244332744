#include "app/model_scorer.h"

#include <algorithm>
#include <iterator>
#include <limits>

#include <ATen/ATen.h>

#include "gpt/base/log.h"
#include "gpt/base/strings.h"
#include "gpt/device/memory.h"
#include "gpt/device/memory_failure.h"
#include "gpt/kernels/ops/lm_head.h"

namespace gpt {

namespace {

std::vector<std::vector<TokenScore>> score(const Decoder& decoder, std::int64_t head_chunk,
                                           std::span<const ScoreRequest> requests) {
  std::size_t longest = 0;
  for (const ScoreRequest& request : requests) longest = std::max(longest, request.tokens.size());
  const auto B = static_cast<std::int64_t>(requests.size());
  const auto T = static_cast<std::int64_t>(longest) - 1;
  const at::Tensor tokens_BT = at::zeros({B, T}, at::kLong);
  std::vector<std::int64_t> place, target;  // of each scored token: the row of x that predicts it
  for (std::int64_t b = 0; b < B; ++b) {
    const ScoreRequest& request = requests[static_cast<std::size_t>(b)];
    std::copy(request.tokens.begin(), request.tokens.end() - 1,
              tokens_BT.mutable_data_ptr<std::int64_t>() + b * T);
    for (std::size_t i = request.first; i < request.tokens.size(); ++i) {
      place.push_back(b * T + static_cast<std::int64_t>(i) - 1);
      target.push_back(request.tokens[i]);
    }
  }
  const auto on_device = [&](const std::vector<std::int64_t>& list) {
    return at::tensor(list, at::kLong).to(decoder.device());
  };
  const at::Tensor x_BTC = decoder.forward(tokens_BT.to(decoder.device()));
  const TokenScores scores = score_tokens(x_BTC.flatten(0, 1).index_select(0, on_device(place)),
                                          decoder.head_weight(), on_device(target), head_chunk);
  const double* loss = scores.loss_N.const_data_ptr<double>();
  const bool* likeliest = scores.likeliest_N.const_data_ptr<bool>();
  std::vector<std::vector<TokenScore>> all;
  for (const ScoreRequest& request : requests) {
    all.emplace_back();
    for (std::size_t i = request.first; i < request.tokens.size(); ++i)
      all.back().push_back({*loss++, *likeliest++});
  }
  return all;
}

// What has proved to fit: at first, everything.
class RetryingScorer {
 public:
  RetryingScorer(const Decoder& decoder, std::int64_t head_chunk)
      : decoder_(decoder),
        chunk_(head_chunk > 0 ? head_chunk : default_head_chunk(decoder.vocab_size())) {}

  std::vector<std::vector<TokenScore>> operator()(std::span<const ScoreRequest> requests) {
    std::vector<std::vector<TokenScore>> all;
    while (all.size() < requests.size()) {
      const auto some = requests.subspan(all.size(), std::min(most_, requests.size() - all.size()));
      std::vector<std::vector<TokenScore>> scores;
      if (const auto why = out_of_memory([&] { scores = score(decoder_, chunk_, some); }))
        shrink(some, *why);
      all.insert(all.end(), std::make_move_iterator(scores.begin()),
                 std::make_move_iterator(scores.end()));
    }
    return all;
  }

 private:
  void shrink(std::span<const ScoreRequest> some, const std::string& why) {
    constexpr std::int64_t kLeast = 64;
    const std::size_t failed = some.size();
    std::int64_t tokens = 0;
    for (const ScoreRequest& request : some) tokens += std::ssize(request.tokens);
    chunk_ = std::min(chunk_, std::max(kLeast, tokens));
    const std::string pieces = concat(failed, " text(s) at a time, head_chunk=", chunk_);
    if (failed == 1 && chunk_ <= kLeast)
      throw_memory_error("the evaluation", decoder_.device(), pieces, why);
    if (failed > 1)
      most_ = (failed + 1) / 2;
    else
      chunk_ = std::max(kLeast, chunk_ / 2);
    release_cached_memory(decoder_.device());
    log_warning(concat("out of memory in the evaluation (", missing_memory(decoder_.device()),
                       ") with ", pieces, "; it continues with ", std::min(most_, failed),
                       " text(s) at a time, head_chunk=", chunk_));
  }

  const Decoder& decoder_;
  std::int64_t chunk_;
  std::size_t most_ = std::numeric_limits<std::size_t>::max();
};

}  // namespace

Scorer model_scorer(const Decoder& decoder, std::int64_t head_chunk) {
  return RetryingScorer(decoder, head_chunk);
}

}  // namespace gpt
