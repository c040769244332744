// What a model continues prompts with, now and then during training.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "gpt/config/train_config.h"
#include "gpt/sampling/decoder.h"
#include "gpt/text/tokenizer.h"

namespace gpt {

// The prompts that sample_prompts stands for: one text, or the lines of FILE:PATH that are not
// empty. InputError for a file that cannot be read or holds none, or more than 100.
std::vector<std::string> prompts_of(const std::string& sample_prompts);

class PromptSamples {
 public:
  // InputError where the tokenizer cannot express a prompt.
  PromptSamples(const TrainConfig& config, std::unique_ptr<Tokenizer> tokenizer);

  struct Sample {
    std::string prompt, text;  // the text without the prompt, UTF-8
  };
  // One a prompt, with nanoGPT's temperature and top_k. Each has a generator of its own, of (seed,
  // step, number of the prompt), so they can be drawn again and touch no other. `goes_on` is asked
  // after each token; a false ends it, and what is returned is not whole.
  std::vector<Sample> draw(const Decoder& decoder, std::int64_t step,
                           const std::function<bool()>& goes_on) const;

 private:
  struct Prompt {
    std::string text;
    std::vector<std::int64_t> tokens;
  };

  std::int64_t seed_, new_tokens_;
  std::unique_ptr<Tokenizer> tokenizer_;
  std::vector<Prompt> prompts_;
};

}  // namespace gpt
