#include "gpt/eval/choices.h"

#include <algorithm>

#include "gpt/base/error.h"
#include "gpt/base/strings.h"

namespace gpt {

namespace {

// Scores requests in batches, in order.
class BatchScorer {
 public:
  BatchScorer(const Scorer& scorer, std::int64_t batch)
      : scorer_(scorer), batch_(static_cast<std::size_t>(batch)) {}

  std::vector<std::vector<TokenScore>> operator()(const std::vector<ScoreRequest>& all) const {
    std::vector<std::vector<TokenScore>> scores;
    for (std::size_t first = 0; first < all.size(); first += batch_) {
      const std::span<const ScoreRequest> some(all.data() + first,
                                               std::min(batch_, all.size() - first));
      for (auto& score : scorer_(some)) scores.push_back(std::move(score));
    }
    return scores;
  }

 private:
  const Scorer& scorer_;
  std::size_t batch_;
};

std::size_t lowest(const std::vector<double>& losses) {
  return static_cast<std::size_t>(std::min_element(losses.begin(), losses.end()) - losses.begin());
}

void judge(const ChoiceExample& example, std::span<const std::vector<TokenScore>> endings,
           ChoiceAccuracy& accuracy) {
  std::vector<double> sum, mean, per_character;
  for (std::size_t i = 0; i < endings.size(); ++i) {
    double total = 0;
    for (const TokenScore& score : endings[i]) total += score.loss;
    sum.push_back(total);
    mean.push_back(total / static_cast<double>(endings[i].size()));
    if (!example.characters.empty())
      per_character.push_back(total / static_cast<double>(example.characters[i]));
  }
  ++accuracy.examples;
  accuracy.by_sum += lowest(sum) == example.label;
  accuracy.by_mean += lowest(mean) == example.label;
  if (!per_character.empty()) accuracy.by_character += lowest(per_character) == example.label;
}

}  // namespace

ScoreRequest fitted_request(const std::vector<std::int64_t>& context,
                            const std::vector<std::int64_t>& target, std::int64_t context_size,
                            bool* cut) {
  if (static_cast<std::int64_t>(target.size()) > context_size)
    throw InputError(concat("an ending of ", target.size(), " tokens does not fit the model's ",
                            context_size, " tokens with anything before it"));
  const std::size_t space = static_cast<std::size_t>(context_size) + 1 - target.size();
  const std::size_t kept = std::min(space, context.size());
  *cut = kept < context.size();
  ScoreRequest request{.tokens = {context.end() - static_cast<std::ptrdiff_t>(kept), context.end()},
                       .first = kept};
  request.tokens.insert(request.tokens.end(), target.begin(), target.end());
  return request;
}

ChoiceAccuracy score_choices(const std::vector<ChoiceExample>& examples, std::int64_t context,
                             std::int64_t batch, const Scorer& scorer,
                             const EvalProgress& progress) {
  ChoiceAccuracy accuracy;
  const BatchScorer score(scorer, batch);
  for (std::size_t first = 0; first < examples.size();) {
    // As many whole examples as fill a batch, so that texts of like length share it.
    std::vector<ScoreRequest> requests;
    std::size_t last = first;
    while (last < examples.size() &&
           (last == first ||
            requests.size() + examples[last].endings.size() <= static_cast<std::size_t>(batch))) {
      bool any_cut = false;
      for (const auto& ending : examples[last].endings) {
        bool cut = false;
        requests.push_back(fitted_request(examples[last].context, ending, context, &cut));
        any_cut = any_cut || cut;
      }
      accuracy.cut += any_cut;
      ++last;
    }
    const auto scores = score(requests);
    std::size_t at = 0;
    for (; first < last; ++first) {
      const std::size_t count = examples[first].endings.size();
      judge(examples[first], {scores.data() + at, count}, accuracy);
      at += count;
    }
    if (progress &&
        !progress(static_cast<double>(first), static_cast<double>(examples.size()),
                  static_cast<double>(accuracy.by_mean) / static_cast<double>(accuracy.examples)))
      break;
  }
  return accuracy;
}

}  // namespace gpt
