// What an evaluation asks of a model: how likely given tokens are, each after all before it. No
// model is known here; whoever has one answers.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace gpt {

// Tokens [first, tokens.size()) are to be scored; 1 <= first < tokens.size(). A model of block_size
// T takes at most T + 1 tokens: it reads all but the last.
struct ScoreRequest {
  std::vector<std::int64_t> tokens;
  std::size_t first = 1;
};

struct TokenScore {
  double loss = 0;         // nats: -log p(token)
  bool likeliest = false;  // no token had a larger logit
};

// The scores of each request, in order.
using Scorer =
    std::function<std::vector<std::vector<TokenScore>>(std::span<const ScoreRequest> requests)>;

// Called now and then; `done` of `total` in the unit of the evaluation, with a result so far to
// show. False ends the evaluation there, and its result is of what was done.
using EvalProgress = std::function<bool(double done, double total, double result)>;

}  // namespace gpt
