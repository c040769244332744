// What a run shows of itself while it trains. None of these keys changes a loss.
#pragma once

#include <cstdint>
#include <string>

#include "gpt/config/check.h"
#include "gpt/config/field.h"

namespace gpt {

struct MonitorConfig {
  CONFIG(MonitorConfig);
  FIELD(std::string, task_files,
        "Files to score during training, with commas between: HellaSwag's or LAMBADA's .jsonl, "
        "llm.c's .bin, a text.",
        anything()) = "";
  FIELD(AutoInt, task_interval, "Iterations between these scores. auto: eval_interval.",
        auto_or_at_least(1)) = {};
  FIELD(std::int64_t, task_limit, "Examples of each file to score; 0: all.", at_least(0)) = 0;
  FIELD(std::int64_t, sample_interval, "Iterations between samples; 0: none.", at_least(0)) = 0;
  FIELD(std::string, sample_prompts,
        "What samples begin with: one text, or FILE:PATH, a prompt in each line.",
        anything()) = "\n";
  FIELD(std::int64_t, sample_tokens, "Tokens of a sample.", at_least(1)) = 100;
  FIELD(std::int64_t, stats_interval,
        "Iterations between statistics by layer: norms, update ratios, activations, attention "
        "entropy, gradient noise; 0: none. 100 costs under 2 %.",
        at_least(0)) = 0;
  END_CONFIG;
};

}  // namespace gpt
