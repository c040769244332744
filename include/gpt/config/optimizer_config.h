// The optimizer, clipping, what becomes of a bad step, and the length of the run.
#pragma once

#include <cstdint>
#include <string>

#include "gpt/config/check.h"
#include "gpt/config/field.h"

namespace gpt {

struct OptimizerConfig {
  CONFIG(OptimizerConfig);
  FIELD(double, learning_rate, "Peak learning rate.", zero_or_between(kSmallestFloat, 100)) = 6e-4;
  FIELD(std::int64_t, max_iters, "Last iteration; counting starts at 0.", at_least(0)) = 600000;
  FIELD(double, weight_decay, "Decay of tensors with two or more dimensions.",
        zero_or_between(kSmallestFloat, 100)) = 1e-1;
  FIELD(double, beta1, "AdamW first-moment decay.", between(0.0, 0.999999)) = 0.9;
  FIELD(double, beta2, "AdamW second-moment decay.", between(0.0, 0.999999)) = 0.95;
  FIELD(double, grad_clip, "Largest gradient norm; 0: no clipping.",
        zero_or_between(kSmallestFloat, kLargestFloat)) = 1.0;
  FIELD(
      std::int64_t, max_bad_steps,
      "Steps in a row with a non-finite loss or gradient, or skipped as spikes, before giving up.",
      at_least(1)) = 10;
  FIELD(std::string, optimizer,
        "muon: Muon for the blocks' matrices, AdamW for embeddings, LayerNorms and biases.",
        one_of("adamw", "muon")) = "adamw";
  FIELD(double, muon_lr,
        "Muon's peak learning rate; it follows the same schedule. 0: learning_rate.",
        zero_or_between(kSmallestFloat, 100)) = 0;
  FIELD(double, muon_momentum, "Muon's momentum.", between(0.0, 0.999999)) = 0.95;
  FIELD(std::int64_t, muon_momentum_warmup,
        "Iterations over which Muon's momentum rises from 0.85 to muon_momentum; 0: none.",
        at_least(0)) = 0;
  FIELD(std::string, muon_scale,
        "How Muon's rate depends on a matrix's shape. match_rms: so that AdamW's rates carry over; "
        "original: sqrt(max(1, rows / columns)).",
        one_of("match_rms", "original")) = "match_rms";
  FIELD(std::string, spike,
        "What to do about a step whose loss or gradient norm is far above those before it: warn, "
        "skip its update, or rollback, which continues from the last checkpoint with later "
        "windows.",
        one_of("off", "warn", "skip", "rollback")) = "off";
  FIELD(double, spike_threshold,
        "Standard deviations above the mean of the last 128 steps that make a spike.",
        between(1.0, 1000.0)) = 6;
  FIELD(std::int64_t, max_tokens, "Tokens to train on at most; 0: as many as max_iters makes.",
        at_least(0)) = 0;
  FIELD(double, max_minutes,
        "Minutes after which the run saves and stops, as by a signal; 0: no limit. A SLURM job's "
        "end of time counts without it.",
        zero_or_between(0.001, 1e7)) = 0;
  END_CONFIG;
};

}  // namespace gpt
