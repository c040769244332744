// What a plan says of the run's length: learning rate, iterations, tokens, days.
#pragma once

#include <cstdint>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "gpt/config/settings.h"
#include "gpt/config/train_config.h"

namespace gpt {

// "10B", "1.5M", "300_000": tokens. InputError for anything else, with what is wanted.
std::int64_t token_count(const std::string& text, const std::string& origin);

// The schedule in words and as a small picture, and how long the run takes with steps of
// `step_seconds`, a time model's; of `tokens`, unless that is 0, as well. Ends with a newline.
std::string length_text(const TrainConfig& config, double step_seconds, std::int64_t tokens);

// The same as {"schedule", "iterations", "tokens", "seconds"}.
nlohmann::ordered_json length_json(const TrainConfig& config, double step_seconds,
                                   std::int64_t tokens);

}  // namespace gpt
