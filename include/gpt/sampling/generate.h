// Texts from a model, one token after the other, as nanoGPT's GPT.generate draws them.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include <ATen/core/Generator.h>

#include "gpt/sampling/decoder.h"
#include "gpt/sampling/token_draw.h"

namespace gpt {

// What happens when a text has block_size tokens, so that the cache is full. Positions are learned,
// so a window that moves gives every token another position, and nothing cached is of use.
enum class WhenFull {
  kCrop,  // nanoGPT's way and numbers: the last block_size tokens are read again for each token
  kHalf,  // the older half is forgotten; the other is read again once, then the cache serves again
  kStop,  // the text ends
};

struct GenerateOptions {
  std::int64_t max_new_tokens = 500;
  DrawOptions draw = {};
  std::optional<std::int64_t> stop = {};  // a text ends with this token, which is not handed out
  WhenFull when_full = WhenFull::kCrop;
};

// Seconds, and tokens over all texts.
struct GenerateTimes {
  double prefill = 0, decode = 0;
  std::int64_t prompt_tokens = 0, new_tokens = 0;
};

// A new token of text `row`, as soon as it is drawn; false ends that text.
using TakeToken = std::function<bool(std::int64_t row, std::int64_t token)>;

// Continues `prompt` (at least one token; the last block_size of them are seen), which is read
// once, by generators.size() texts that grow together, one token each at a time. Text i draws from
// generators[i] alone, so it is what it would be without the others but for the rounding of
// matmuls; `ended(i)`, if given, is called once, after its last token. Given nanoGPT's generator
// state, the draws are nanoGPT's.
GenerateTimes generate(const Decoder& decoder, std::vector<std::int64_t> prompt,
                       const GenerateOptions& options, std::vector<at::Generator> generators,
                       const TakeToken& take,
                       const std::function<void(std::int64_t row)>& ended = {});

}  // namespace gpt
