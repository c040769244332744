#include "gpt/model/cpu_shape.h"

#include <algorithm>

#include "cpu_buffers.h"

namespace gpt {

namespace {

// A thread of its own gradients costs their memory and a pass over them; a model beyond this many
// parameters is worked on together instead.
constexpr std::int64_t kOwnGradients = 4 << 20;
// Tokens in a group: few enough for the second cache where a thread works alone, enough to make
// efficient products of large matrices otherwise.
constexpr std::int64_t kOwnGroup = 128, kCommonGroup = 1024;

}  // namespace

bool cpu_threads_share(std::int64_t parameters, std::int64_t sequences, int threads) {
  return parameters > kOwnGradients || sequences < threads;
}

CpuShape cpu_shape(CpuShape shape, bool together, std::int64_t sequences, std::int64_t tokens,
                   std::int64_t head_chunk, int threads) {
  shape.tokens = tokens;
  shape.threads = together ? threads : 1;
  shape.groups = together ? 1 : threads;
  const std::int64_t most =
      std::max<std::int64_t>(1, (sequences + shape.groups - 1) / shape.groups);
  const std::int64_t wanted = (together ? kCommonGroup : kOwnGroup) / tokens;
  shape.group = tokens * std::clamp<std::int64_t>(wanted, 1, most);
  shape.head_chunk = std::min(head_chunk, shape.group);
  return shape;
}

std::int64_t cpu_arena_bytes(const CpuShape& shape) {
  Arena arena(nullptr);
  if (shape.low)
    CpuBuffers<Bf16>(shape, arena);
  else
    CpuBuffers<float>(shape, arena);
  return arena.used();
}

}  // namespace gpt
