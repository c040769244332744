// LAMBADA (Paperno et al. 2016) as lm-eval's lambada_openai: the last word of a passage.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "gpt/eval/scoring.h"
#include "gpt/text/tokenizer.h"

namespace gpt {

struct LastWord {
  std::vector<std::int64_t> context, word;  // at least one token each
};

// One object a line with a "text"; the word is what follows the last space, and the space belongs
// to it. Both are tokenized as one text. InputError names file and line.
std::vector<LastWord> read_lambada(const std::filesystem::path& path, const Tokenizer& tokenizer);

struct LastWordScore {
  std::int64_t examples = 0;
  std::int64_t right = 0;  // each token of the word was the likeliest
  double nats = 0;         // sum of the words' losses
  double accuracy() const { return static_cast<double>(right) / static_cast<double>(examples); }
  double perplexity() const;  // exp(nats a word)
};

LastWordScore score_last_words(const std::vector<LastWord>& examples, std::int64_t context,
                               std::int64_t batch, const Scorer& scorer,
                               const EvalProgress& progress = {});

// A context and what continues from it, tokenized as one text, as lm-eval does: spaces at the end
// of the context belong to the continuation.
struct SplitText {
  std::vector<std::int64_t> context, continuation;
};
SplitText encode_pair(std::string context, std::string continuation, const Tokenizer& tokenizer,
                      const std::string& origin);

}  // namespace gpt
