// nanoGPT's golden settings on made-up tokens, in a private folder.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "gpt/config/train_config.h"

#include "support/temp_dir.h"

namespace gpt::testing {

// token(i) of the golden files.
inline std::vector<std::uint16_t> made_up_tokens(std::int64_t begin, std::int64_t end) {
  std::vector<std::uint16_t> tokens;
  for (std::int64_t i = begin; i < end; ++i)
    tokens.push_back(static_cast<std::uint16_t>((7 * i * i + 3 * i + (i / 29) % 2) % 61));
  return tokens;
}

inline TrainConfig tiny_config(const TempDir& dir) {
  TrainConfig config;
  config.io.out_dir = (dir / "out").string();
  config.io.eval_interval = 20;
  config.io.eval_iters = 3;
  config.data.data_dir = dir.path().string();
  config.data.dataset = "tokens";
  config.data.gradient_accumulation_steps = 1;
  config.data.batch_size = 4;
  config.data.block_size = 16;
  config.model.n_layer = 2;
  config.model.n_head = 2;
  config.model.n_embd = 32;
  config.model.vocab_size.value = 61;
  config.optimizer.learning_rate = 1e-2;
  config.optimizer.max_iters = 60;
  config.optimizer.beta2 = 0.99;
  config.schedule.warmup_iters = 5;
  config.schedule.lr_decay_iters = 60;
  config.schedule.min_lr = 1e-3;
  dir.write_tokens("tokens/train.bin", made_up_tokens(0, 20000));
  dir.write_tokens("tokens/val.bin", made_up_tokens(20000, 24000));
  return config;
}

}  // namespace gpt::testing
