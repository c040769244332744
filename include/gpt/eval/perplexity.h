// Loss and perplexity of a text under a model, by windows that slide over it.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "gpt/eval/scoring.h"

namespace gpt {

// The tokens of a text, wherever they are.
struct TokenSource {
  std::int64_t size = 0;
  std::function<void(std::int64_t begin, std::int64_t count, std::int64_t* out)> copy;
  // Bytes of text that a token stands for; none if its tokenizer is not known.
  std::function<std::int64_t(std::int64_t token)> bytes = {};
  // Whether each of some tokens counts as a target; none if all do.
  std::function<std::vector<bool>(std::int64_t begin, std::int64_t count)> counted = {};
};

struct PerplexityOptions {
  std::int64_t context = 1024;  // tokens that the model reads in a window
  std::int64_t stride = 1024;   // tokens scored in each window but the first; at most context
  std::int64_t batch = 8;       // windows at a time
  std::optional<std::int64_t> before = {};  // read before the text, so that its first token counts
};

struct Perplexity {
  std::int64_t tokens = 0;            // scored, each once; those that count
  double nats = 0;                    // sum of their losses
  std::optional<std::int64_t> bytes;  // that they stand for
  std::int64_t masked_tokens = 0;     // scored as well, which do not count
  double masked_nats = 0;
  double loss() const;  // nats a token; 0 of none
  std::optional<double> masked_loss() const;
  double perplexity() const;  // exp(loss)
  std::optional<double> bits_per_byte() const;
};

// A window reads tokens begin to last - 1 and scores tokens scored to last.
struct EvalWindow {
  std::int64_t begin = 0, scored = 0, last = 0;
};

// Every token from 1 on is scored once. The first window scores all that it reads about; each later
// one moves by `stride` and scores as many, so each token but the first `context` has at least
// context - stride + 1 tokens before it (Hugging Face's "fixed-length models" evaluation).
std::vector<EvalWindow> eval_windows(std::int64_t size, std::int64_t context, std::int64_t stride);

// InputError, naming `origin`, for a text of fewer than two tokens (one, with `before`).
Perplexity perplexity(const TokenSource& source, const std::string& origin,
                      const PerplexityOptions& options, const Scorer& scorer,
                      const EvalProgress& progress = {});

}  // namespace gpt
