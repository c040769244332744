#include "gpt/model/generator_steps.h"

#include <ATen/CPUGeneratorImpl.h>

#include "gpt/model/gpt.h"

namespace gpt {

namespace {

constexpr std::int64_t kBlock = 16;  // of normal_'s loop; a rest makes it draw the last 16 anew

std::int64_t normal_steps(std::int64_t count) {
  return count + (count % kBlock == 0 ? 0 : kBlock);
}

// As Gpt's constructor: modules' own draws, then nanoGPT's, then the residual projections.
std::int64_t init_steps(const ModelConfig& config, std::int64_t vocab_size,
                        std::int64_t block_size) {
  const std::int64_t C = config.n_embd, L = config.n_layer;
  const std::int64_t wte = normal_steps(vocab_size * C), wpe = normal_steps(block_size * C);
  const std::int64_t defaults = L * (12 * C * C + (config.bias ? 9 * C : 0)) + vocab_size * C;
  const std::int64_t matrices =
      normal_steps(3 * C * C) + normal_steps(C * C) + 2 * normal_steps(4 * C * C);
  const std::int64_t projections = normal_steps(C * C) + normal_steps(4 * C * C);
  return wte + wpe + defaults + wte + wpe + L * matrices + wte + L * projections;
}

}  // namespace

// The caller is alone with the generator, so no lock is taken.
void skip_steps(at::Generator& generator, std::int64_t steps) {
  auto* cpu = at::check_generator<at::CPUGeneratorImpl>(generator);
  at::mt19937 engine = cpu->engine();
  for (std::int64_t step = 0; step < steps; ++step) engine();
  cpu->set_engine(engine);
}

void skip_init(at::Generator& generator, const ModelConfig& config, std::int64_t vocab_size,
               std::int64_t block_size) {
  // Shorter tensors are drawn by another loop.
  const std::int64_t smallest = std::min(
      {config.n_embd * config.n_embd, vocab_size * config.n_embd, block_size * config.n_embd});
  if (smallest < kBlock)
    Gpt(config, vocab_size, block_size, generator);
  else
    skip_steps(generator, init_steps(config, vocab_size, block_size));
}

}  // namespace gpt
