// The split at the end of a text: nanoGPT's data[:int(n * 0.9)] and the rest, each tokenized by
// itself, without knowing n beforehand.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <vector>

#include "gpt/dataprep/prepare_state.h"
#include "gpt/text/tokenizer.h"

namespace gpt {

// int(characters * (1 - val_fraction)) in doubles, as Python computes nanoGPT's int(n * 0.9).
std::int64_t train_character_count(std::int64_t characters, double val_fraction);

// Notes the place behind a chunk, and forgets those that the end of training can no more fall to.
// So marks grow with the text, by some 20 bytes a MiB of it.
void add_mark(std::vector<TextMark>& marks, const TextMark& mark, double val_fraction);

// Cuts a text that was read to its end: `train` holds all tokens and keeps those of the first
// train_character_count() characters, `val` gets the others; <|endoftext|> counts none. The state's
// marks must have been kept by add_mark; it gets the two files' extents. `save` is called between
// the two steps, each of which may be interrupted and done again. `between_tokens`: the tokens'
// text is not the text that was read (see EncodingRules), so the cut is between two tokens.
// IoError.
void cut_at_end(PrepareState& state, const std::filesystem::path& train,
                const std::filesystem::path& val, double val_fraction, const Tokenizer& tokenizer,
                const std::function<void()>& save, bool between_tokens = false);

}  // namespace gpt
