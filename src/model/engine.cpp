#include "gpt/model/engine_kind.h"
#include "gpt/model/engines.h"

#include "replaceable_engine.h"

namespace gpt {

Plan plan_of(const ModelConfig& model, const MemoryConfig& memory, std::int64_t vocab_size) {
  return {.recompute = recompute_level(memory.recompute),
          .offload = offload_level(memory.optimizer_offload),
          .head_chunk = model.head_chunk.or_else(default_head_chunk(vocab_size))};
}

std::unique_ptr<Engine> make_engine(const TrainConfig& config, const Gpt& model,
                                    const Compute& compute) {
  switch (engine_kind(config.system.compile, compute.device.is_cuda(), compute.type)) {
    case EngineKind::kEager:
      return make_eager_engine(config, model, compute);
    case EngineKind::kCpu:
      return make_cpu_engine(config, model, compute);
    case EngineKind::kTensor:
      return std::make_unique<ReplaceableEngine>(make_tensor_engine(config, model, compute), config,
                                                 model, compute);
  }
  return nullptr;
}

}  // namespace gpt
