// Every option of `gpttrain sample`, once: nanoGPT's sample.py with its names and defaults, and
// ours.
#pragma once

#include <cstdint>
#include <string>

#include "gpt/config/check.h"
#include "gpt/config/field.h"
#include "gpt/config/open_config.h"

namespace gpt {

struct SampleConfig {
  OpenConfig open;

  CONFIG(SampleConfig);
  FIELD(std::string, start,
        "Text to continue; FILE:PATH takes it from a file, - from standard input.",
        not_empty()) = "\n";
  FIELD(std::int64_t, num_samples, "Samples to draw.", between(1, 10000000)) = 10;
  FIELD(std::int64_t, max_new_tokens, "Tokens in each sample.", between(1, 1000000000)) = 500;
  FIELD(double, temperature,
        "1: the model's own probabilities; lower is more conservative, higher is more random; 0: "
        "always the likeliest token, as with top_k=1.",
        zero_or_between(1e-6, 100.0)) = 0.8;
  FIELD(std::int64_t, top_k, "Draw from the k likeliest tokens only; 0: from all.",
        at_least(0)) = 200;
  FIELD(double, top_p,
        "Draw from the likeliest tokens whose probabilities add up to p, after top_k; 1: from all; "
        "0: the likeliest.",
        zero_or_between(1e-6, 1.0)) = 1.0;
  FIELD(double, repetition_penalty,
        "Make tokens that the text already has less likely, as transformers does: their logits are "
        "divided by it where positive, else multiplied. 1: not.",
        between(0.01, 100.0)) = 1.0;
  FIELD(std::string, stop,
        "Token that ends a sample: its text, e.g. <|endoftext|>, or ID:NUMBER. Empty: none.",
        anything()) = "";
  FIELD(
      bool, interactive,
      "Read prompts from the terminal, a line each, and continue each as it is typed; Ctrl-C stops "
      "the answer, Ctrl-D ends. start and num_samples do not count.",
      anything()) = false;
  FIELD(std::string, when_full,
        "Beyond block_size tokens. crop: nanoGPT's window, read again for each token; half: forget "
        "the older half and stay fast; stop: end the sample.",
        one_of("crop", "half", "stop")) = "crop";
  FIELD(AutoInt, samples_at_once,
        "Samples that grow together. auto: up to 32, as long as their cache takes at most 1 GiB.",
        auto_or_between(1, 4096)) = {};
  FIELD(std::int64_t, seed, "Seed of the draws.", at_least(0)) = 1337;
  FIELD(
      std::string, draws,
      "nanogpt: sample for sample the draws of nanoGPT's sample.py; seed: sample i (from 0) draws "
      "from seed + i, which starts sooner with large models.",
      one_of("nanogpt", "seed")) = "nanogpt";
  FIELD(bool, compile, "Ask for the fused engine.", anything()) = false;
  END_CONFIG;
};

}  // namespace gpt
