// The answers of a model to an evaluation.
#pragma once

#include "gpt/eval/scoring.h"
#include "gpt/sampling/decoder.h"

namespace gpt {

// Requests of one call run in one forward pass, the shorter ones padded at their end, where no
// token that counts can see it. `decoder` must outlive the scorer. `head_chunk` as in
// lm_head.h. Where memory runs out, fewer requests run at a time from then on, at last with
// smaller chunks; MemoryError if not even that fits.
Scorer model_scorer(const Decoder& decoder, std::int64_t head_chunk);

}  // namespace gpt
