#include "gpt/config/validate.h"

#include "gpt/base/error.h"
#include "gpt/base/strings.h"

namespace gpt {

namespace {

[[noreturn]] void refuse(const Settings& settings, const std::string& key, const std::string& why) {
  throw InputError(settings.origin(key) + ": " + key + ": " + why);
}

// Bytes of a step whose sequences are all worked on at once: more than any table adds up to, so
// that none of them overflows 64 bits.
double most_step_bytes(const ModelConfig& model, double tokens, double block_size) {
  const auto layers = static_cast<double>(model.n_layer), width = static_cast<double>(model.n_embd);
  const auto vocab = static_cast<double>(model.vocab_size.or_else(1 << 16));
  const double per_layer = 64 * width + 16 * static_cast<double>(model.n_head) * block_size;
  return tokens * (layers * per_layer + 64 * width + 16 * vocab);
}

void refuse_endless_step(const TrainConfig& config, double tokens, const Settings& settings) {
  constexpr double kMost = 0x1p62;
  const double bytes =
      most_step_bytes(config.model, tokens, static_cast<double>(config.data.block_size));
  if (bytes > kMost)
    refuse(settings, "batch_size",
           format("a step of %.3g tokens (batch_size * gradient_accumulation_steps * block_size) "
                  "through n_layer=%ld, n_head=%ld, n_embd=%ld could take %.3g bytes, beyond the "
                  "2^62 that are counted with; make one of them smaller",
                  tokens, config.model.n_layer, config.model.n_head, config.model.n_embd, bytes));
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
  refuse_endless_step(config, static_cast<double>(tokens), settings);
}

// nanoGPT runs with warmup_iters beyond lr_decay_iters, so do we.
void validate_schedule(const ScheduleConfig& schedule, const Settings& settings) {
  const std::int64_t length = schedule.cooldown_iters.or_else(0);
  if (schedule.lr_schedule != "wsd" || !schedule.cooldown_from.empty()) return;
  if (length > schedule.lr_decay_iters - schedule.warmup_iters)
    refuse(settings, "cooldown_iters",
           concat("got ", length, ", but only ", schedule.lr_decay_iters - schedule.warmup_iters,
                  " iterations lie between warmup_iters (", schedule.warmup_iters,
                  ") and lr_decay_iters (", schedule.lr_decay_iters,
                  "); make it shorter, or lr_decay_iters larger"));
}

void validate_optimizer(const OptimizerConfig& config, const Settings& settings) {
  if (config.optimizer == "muon" && config.muon_lr > 0 && config.learning_rate == 0)
    refuse(settings, "muon_lr",
           "Muon's rate follows learning_rate's schedule in proportion, which nothing does to a "
           "learning_rate of 0; give learning_rate, the one of AdamW's parameters");
}

}  // namespace

void validate(const TrainConfig& config, const Settings& settings) {
  validate_sizes(config, settings);
  validate_schedule(config.schedule, settings);
  validate_optimizer(config.optimizer, settings);
}

}  // namespace gpt
