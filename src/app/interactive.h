// `gpttrain sample --interactive`: a line is a prompt, and the answer appears as it is made.
#pragma once

#include "gpt/config/sample_config.h"
#include "gpt/sampling/decoder.h"
#include "gpt/sampling/generate.h"
#include "gpt/text/tokenizer.h"

#include "app/open_model.h"

namespace gpt {

// Lines of standard input until it ends. Each is a text of its own, and answer i (from 0) draws
// from seed + i. Ctrl-C ends the answer on the screen, or drops the line that is being typed.
void answer_lines(const SampleConfig& config, const OpenModel& model, const Decoder& decoder,
                  const Tokenizer& tokenizer, const GenerateOptions& options);

}  // namespace gpt
