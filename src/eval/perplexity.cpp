#include "gpt/eval/perplexity.h"

#include <algorithm>
#include <cmath>

#include "gpt/base/error.h"
#include "gpt/base/strings.h"

namespace gpt {

double Perplexity::loss() const {
  return tokens > 0 ? nats / static_cast<double>(tokens) : 0;
}

std::optional<double> Perplexity::masked_loss() const {
  if (masked_tokens == 0) return std::nullopt;
  return masked_nats / static_cast<double>(masked_tokens);
}

double Perplexity::perplexity() const {
  return std::exp(loss());
}

std::optional<double> Perplexity::bits_per_byte() const {
  if (!bytes || *bytes == 0) return std::nullopt;
  return nats / std::log(2.0) / static_cast<double>(*bytes);
}

std::vector<EvalWindow> eval_windows(std::int64_t size, std::int64_t context, std::int64_t stride) {
  std::vector<EvalWindow> windows;
  for (std::int64_t scored = 1; scored < size;) {
    const std::int64_t step = windows.empty() ? context : stride;
    const std::int64_t last = std::min(scored + step, size) - 1;
    windows.push_back(
        {.begin = std::max<std::int64_t>(0, last - context), .scored = scored, .last = last});
    scored = last + 1;
  }
  return windows;
}

namespace {

// The text with the token before it, if there is one.
class Text {
 public:
  Text(const TokenSource& source, std::optional<std::int64_t> before)
      : source_(source), before_(before) {}
  std::int64_t size() const { return source_.size + (before_ ? 1 : 0); }

  ScoreRequest request(const EvalWindow& window) const {
    ScoreRequest request{.tokens = std::vector<std::int64_t>(
                             static_cast<std::size_t>(window.last - window.begin + 1)),
                         .first = static_cast<std::size_t>(window.scored - window.begin)};
    std::int64_t* out = request.tokens.data();
    std::int64_t begin = window.begin - (before_ ? 1 : 0);
    if (begin < 0) {
      *out++ = *before_;
      ++begin;
    }
    source_.copy(begin, request.tokens.data() + request.tokens.size() - out, out);
    return request;
  }

  // Whether each token that the window scores counts.
  std::vector<bool> counted(const EvalWindow& window) const {
    const std::int64_t count = window.last - window.scored + 1;
    if (!source_.counted) return std::vector<bool>(static_cast<std::size_t>(count), true);
    return source_.counted(window.scored - (before_ ? 1 : 0), count);
  }

 private:
  const TokenSource& source_;
  std::optional<std::int64_t> before_;
};

void add(Perplexity& sum, const TokenSource& source, const ScoreRequest& request,
         const std::vector<TokenScore>& scores, const std::vector<bool>& counted) {
  for (std::size_t i = 0; i < scores.size(); ++i) {
    ++(counted[i] ? sum.tokens : sum.masked_tokens);
    (counted[i] ? sum.nats : sum.masked_nats) += scores[i].loss;
    if (counted[i] && source.bytes) *sum.bytes += source.bytes(request.tokens[request.first + i]);
  }
}

}  // namespace

Perplexity perplexity(const TokenSource& source, const std::string& origin,
                      const PerplexityOptions& options, const Scorer& scorer,
                      const EvalProgress& progress) {
  const Text text(source, options.before);
  if (text.size() < 2)
    throw InputError(concat(origin, ": has ", source.size,
                            " token(s); the loss of a text needs at least ",
                            options.before ? 1 : 2));
  Perplexity sum;
  if (source.bytes) sum.bytes = 0;
  const auto windows = eval_windows(text.size(), options.context, options.stride);
  const auto batch = static_cast<std::size_t>(options.batch);
  for (std::size_t first = 0; first < windows.size(); first += batch) {
    std::vector<ScoreRequest> requests;
    for (std::size_t i = first; i < std::min(first + batch, windows.size()); ++i)
      requests.push_back(text.request(windows[i]));
    const auto scores = scorer(requests);
    for (std::size_t i = 0; i < requests.size(); ++i)
      add(sum, source, requests[i], scores[i], text.counted(windows[first + i]));
    if (progress && !progress(static_cast<double>(sum.tokens + sum.masked_tokens),
                              static_cast<double>(text.size() - 1), sum.loss()))
      break;
  }
  return sum;
}

}  // namespace gpt
