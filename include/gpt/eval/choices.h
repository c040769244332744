// Multiple choice: which of several endings a model finds likeliest.
#pragma once

#include <cstdint>
#include <vector>

#include "gpt/eval/scoring.h"

namespace gpt {

struct ChoiceExample {
  std::vector<std::int64_t> context = {};               // at least one token
  std::vector<std::vector<std::int64_t>> endings = {};  // at least one token each
  std::vector<std::int64_t> characters = {};            // of each ending's text; empty: not known
  std::size_t label = 0;                                // the right ending
};

// Shares of examples whose right ending has the lowest loss; of equal ones the first is taken.
struct ChoiceAccuracy {
  std::int64_t examples = 0;
  std::int64_t by_sum = 0;        // right by the sum of an ending's losses: "acc"
  std::int64_t by_mean = 0;       // right by their mean over tokens: llm.c's "acc_norm"
  std::int64_t by_character = 0;  // right by the sum over characters: lm-eval's "acc_norm"
  std::int64_t cut = 0;           // examples whose context was cut at its beginning to fit
};

// Contexts are cut so that context and ending fit the model; InputError if an ending alone does
// not. `batch`: texts at a time; an example's endings are never split over two results.
ChoiceAccuracy score_choices(const std::vector<ChoiceExample>& examples, std::int64_t context,
                             std::int64_t batch, const Scorer& scorer,
                             const EvalProgress& progress = {});

// `context` then `target`, cut at the beginning to context_size + 1 tokens; sets *cut then.
// InputError if nothing of the context would be left.
ScoreRequest fitted_request(const std::vector<std::int64_t>& context,
                            const std::vector<std::int64_t>& target, std::int64_t context_size,
                            bool* cut);

}  // namespace gpt
