#include "gpt/model/engine.h"

#include "eager_engine.h"

namespace gpt {

EnginePlan engine_plan(const ModelConfig& model, const MemoryConfig& memory,
                       std::int64_t vocab_size) {
  return {.recompute = recompute_level(memory.recompute),
          .head_chunk = model.head_chunk.or_else(default_head_chunk(vocab_size))};
}

std::unique_ptr<Engine> make_engine(const TrainConfig& config, const Gpt& model,
                                    const Compute& compute) {
  return std::make_unique<EagerEngine>(
      model, compute, engine_plan(config.model, config.memory, model.vocab_size()));
}

}  // namespace gpt
