#include "gpt/train/model_scorer.h"

#include <algorithm>
#include <iterator>
#include <limits>

#include <ATen/ATen.h>

#include "gpt/base/log.h"
#include "gpt/base/strings.h"
#include "gpt/device/memory_failure.h"
#include "gpt/kernels/ops/lm_head.h"
#include "gpt/memory/retry.h"

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

// Scores as many requests at a time as have proved to fit: at first, all of them.
class RetryingScorer {
 public:
  RetryingScorer(const Decoder& decoder, std::int64_t head_chunk)
      : decoder_(decoder),
        plan_{
            .micro_batch = std::numeric_limits<std::int64_t>::max(),
            .head_chunk = head_chunk > 0 ? head_chunk : default_head_chunk(decoder.vocab_size())} {}

  std::vector<std::vector<TokenScore>> operator()(std::span<const ScoreRequest> requests) {
    std::vector<std::vector<TokenScore>> all;
    while (all.size() < requests.size()) {
      auto scores = score_first_of(requests.subspan(all.size()));
      all.insert(all.end(), std::make_move_iterator(scores.begin()),
                 std::make_move_iterator(scores.end()));
    }
    return all;
  }

 private:
  std::vector<std::vector<TokenScore>> score_first_of(std::span<const ScoreRequest> requests) {
    Plan plan = plan_;
    plan.micro_batch = std::min(plan.micro_batch, std::ssize(requests));
    const Plan whole = plan;
    const auto chosen = [&](const Plan& by) {
      return requests.first(static_cast<std::size_t>(by.micro_batch));
    };
    const auto text = [](const Plan& of) {
      return concat(of.micro_batch, " text(s) at a time, head_chunk=", of.head_chunk);
    };
    const MemoryRetry retry{
        .what = "the evaluation",
        .device = decoder_.device(),
        .next =
            [&](const Plan& failed, int) {
              std::int64_t longest = kSmallestChunk;
              for (const ScoreRequest& request : chosen(failed))
                longest = std::max(longest, std::ssize(request.tokens));
              return halved(failed, longest);
            },
        .text = text,
        .retreat = {},
        .say =
            [&](const Plan& failed, const Plan& next) {
              log_warning(concat("out of memory in the evaluation (",
                                 missing_memory(decoder_.device()), ") with ", text(failed),
                                 "; it continues with ", text(next)));
            }};
    std::vector<std::vector<TokenScore>> scores;
    retry.run(plan, [&] { scores = score(decoder_, plan.head_chunk, chosen(plan)); });
    if (plan != whole) plan_ = plan;
    return scores;
  }

  const Decoder& decoder_;
  Plan plan_;
};

}  // namespace

Scorer model_scorer(const Decoder& decoder, std::int64_t head_chunk) {
  return RetryingScorer(decoder, head_chunk);
}

}  // namespace gpt
