#include "gpt/model/engines.h"

namespace gpt {

EnginePlan engine_plan(const ModelConfig& model, const MemoryConfig& memory,
                       std::int64_t vocab_size) {
  return {.recompute = recompute_level(memory.recompute),
          .head_chunk = model.head_chunk.or_else(default_head_chunk(vocab_size))};
}

// The CPU's fused engine (make_cpu_engine) is reached by its tests alone until the golden runs have
// been repeated with it under load.
bool fused_engine_covers(const Compute& compute) {
  return compute.device.is_cuda();
}

std::unique_ptr<Engine> make_engine(const TrainConfig& config, const Gpt& model,
                                    const Compute& compute) {
  if (!config.system.compile || !fused_engine_covers(compute))
    return make_eager_engine(config, model, compute);
  return make_gpu_engine(config, model, compute);
}

}  // namespace gpt
