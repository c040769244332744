#include "gpt/config/validate.h"

#include "gpt/base/error.h"
#include "gpt/base/strings.h"

namespace gpt {

namespace {

[[noreturn]] void refuse(const Settings& settings, const std::string& key, const std::string& why) {
  throw InputError(settings.origin(key) + ": " + key + ": " + why);
}

void validate_sizes(const TrainConfig& config, const Settings& settings) {
  const ModelConfig& model = config.model;
  if (model.n_embd % model.n_head != 0)
    refuse(settings, "n_head",
           concat("n_embd (", model.n_embd, ") must be a multiple of n_head (", model.n_head, ")"));
  const DataConfig& data = config.data;
  std::int64_t tokens = 0;
  if (__builtin_mul_overflow(data.batch_size, data.gradient_accumulation_steps, &tokens) ||
      __builtin_mul_overflow(tokens, data.block_size, &tokens) || tokens > (std::int64_t{1} << 30))
    refuse(settings, "batch_size",
           "batch_size * gradient_accumulation_steps * block_size is beyond 2^30 tokens a step");
}

}  // namespace

// The schedule has no rule here: nanoGPT runs with warmup_iters beyond lr_decay_iters, so do we.
void validate(const TrainConfig& config, const Settings& settings) {
  validate_sizes(config, settings);
}

}  // namespace gpt
