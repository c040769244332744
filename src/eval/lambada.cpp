#include "gpt/eval/lambada.h"

#include <algorithm>
#include <cmath>

#include <nlohmann/json.hpp>

#include "gpt/base/error.h"
#include "gpt/base/strings.h"
#include "gpt/eval/choices.h"
#include "gpt/eval/json_lines.h"

namespace gpt {

double LastWordScore::perplexity() const {
  return std::exp(nats / static_cast<double>(examples));
}

SplitText encode_pair(std::string context, std::string continuation, const Tokenizer& tokenizer,
                      const std::string& origin) {
  const std::size_t end = context.find_last_not_of(" \t\n\r\f\v") + 1;  // npos + 1 is 0
  continuation = context.substr(end) + continuation;
  context.resize(end);
  SplitText split{.context = tokenizer.encode(context, origin),
                  .continuation = tokenizer.encode(context + continuation, origin)};
  const auto shared = std::min(split.context.size(), split.continuation.size());
  split.continuation.erase(split.continuation.begin(),
                           split.continuation.begin() + static_cast<std::ptrdiff_t>(shared));
  if (split.context.empty() && tokenizer.end_of_text())
    split.context.push_back(*tokenizer.end_of_text());
  if (split.context.empty() || split.continuation.empty())
    throw InputError(origin + ": expected a context and a continuation, and one is empty");
  return split;
}

std::vector<LastWord> read_lambada(const std::filesystem::path& path, const Tokenizer& tokenizer) {
  std::vector<LastWord> examples;
  for_each_object(path, [&](const nlohmann::json& object, const std::string& where) {
    const std::string text = text_member(object, "text", where);
    const std::size_t space = text.rfind(' ');
    if (space == text.npos || space + 1 == text.size())
      throw InputError(where + ": text: expected words, a space and a last word");
    SplitText split = encode_pair(text.substr(0, space), text.substr(space), tokenizer, where);
    examples.push_back({std::move(split.context), std::move(split.continuation)});
  });
  return examples;
}

LastWordScore score_last_words(const std::vector<LastWord>& examples, std::int64_t context,
                               std::int64_t batch, const Scorer& scorer,
                               const EvalProgress& progress) {
  LastWordScore result;
  const auto step = static_cast<std::size_t>(batch);
  for (std::size_t first = 0; first < examples.size(); first += step) {
    std::vector<ScoreRequest> requests;
    for (std::size_t i = first; i < std::min(first + step, examples.size()); ++i) {
      bool cut = false;
      requests.push_back(fitted_request(examples[i].context, examples[i].word, context, &cut));
    }
    for (const auto& word : scorer(requests)) {
      ++result.examples;
      for (const TokenScore& score : word) result.nats += score.loss;
      result.right +=
          std::all_of(word.begin(), word.end(), [](const TokenScore& s) { return s.likeliest; });
    }
    if (progress && !progress(static_cast<double>(result.examples),
                              static_cast<double>(examples.size()), result.accuracy()))
      break;
  }
  return result;
}

}  // namespace gpt
