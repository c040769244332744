#include "app/model_scorer.h"

#include <algorithm>

#include <ATen/ATen.h>

#include "gpt/kernels/token_scores.h"

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

}  // namespace

Scorer model_scorer(const Decoder& decoder, std::int64_t head_chunk) {
  return [&decoder, head_chunk](std::span<const ScoreRequest> requests) {
    return score(decoder, head_chunk, requests);
  };
}

}  // namespace gpt
