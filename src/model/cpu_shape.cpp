#include "gpt/model/cpu_shape.h"

#include <algorithm>

#include "gpt/kernels/gemm/gemm_backend.h"
#include "gpt/model/parameter_table.h"

#include "cpu_buffers.h"

namespace gpt {

namespace {

// A thread of its own gradients costs their memory and a pass over them; a model beyond this many
// parameters is worked on together instead.
constexpr std::int64_t kOwnGradients = 4 << 20;
// Tokens in a group: few enough for the second cache where a thread works alone, enough to make
// efficient matmuls of large matrices otherwise.
constexpr std::int64_t kOwnGroup = 128, kCommonGroup = 1024;

// Packed float32 takes 12 bytes a parameter.
constexpr std::int64_t kPackedModel = 16 << 20;

template <class T>
std::int64_t packed_bytes(const CpuShape& shape) {
  const NativeGemm<T>* native = native_gemm<T>(shape.width);
  if (!native) return 0;
  const std::int64_t C = shape.width;
  const auto twice = [&](std::int64_t rows, std::int64_t columns) {
    return native->packed_bytes(rows, columns) + native->packed_bytes(columns, rows);
  };
  std::int64_t block = 0;
  for (const BlockParameter& parameter : kBlockParameters)
    if (is_gemm_weight(parameter.role)) block += twice(parameter.rows * C, parameter.columns * C);
  return twice(shape.vocab, C) + shape.layers * block;
}

// The largest of a block's weights in one block; of the head's as many as fit, but not next to
// none.
template <class T>
std::int64_t weight_block_bytes(const CpuShape& shape) {
  const NativeGemm<T>* native = native_gemm<T>(shape.width);
  if (!native || native->packs_interleaved) return 0;
  const std::int64_t C = shape.width;
  const auto larger = [&](std::int64_t rows, std::int64_t columns) {
    return std::max(native->packed_bytes(rows, columns), native->packed_bytes(columns, rows));
  };
  constexpr std::int64_t kOfHead = 4 << 20;
  std::int64_t largest = std::min(kOfHead, larger(shape.vocab, C));
  for (const BlockParameter& parameter : kBlockParameters)
    if (is_gemm_weight(parameter.role))
      largest = std::max(largest, larger(parameter.rows * C, parameter.columns * C));
  return largest;
}

}  // namespace

std::int64_t cpu_packed_bytes(const CpuShape& shape) {
  if (shape.parameters > kPackedModel || shape.recompute != Recompute::kNone) return 0;
  return shape.low ? packed_bytes<Bf16>(shape) : packed_bytes<float>(shape);
}

bool cpu_threads_share(std::int64_t parameters, std::int64_t sequences, int threads) {
  return threads > 1 && (parameters > kOwnGradients || sequences == 1);
}

CpuShape cpu_shape(CpuShape shape, bool together, std::int64_t sequences, std::int64_t tokens,
                   std::int64_t head_chunk, int threads) {
  shape.tokens = tokens;
  shape.threads = together ? threads : 1;
  shape.groups = together ? 1 : static_cast<int>(std::clamp<std::int64_t>(sequences, 1, threads));
  const std::int64_t most =
      std::max<std::int64_t>(1, (sequences + shape.groups - 1) / shape.groups);
  const std::int64_t wanted = (together ? kCommonGroup : kOwnGroup) / tokens;
  shape.group = tokens * std::clamp<std::int64_t>(wanted, 1, most);
  const std::int64_t chunks = (shape.group + head_chunk - 1) / head_chunk;
  shape.head_chunk = (shape.group + chunks - 1) / chunks;  // no small one at the end
  shape.weight_block_bytes = 0;
  if (shape.threads > 1 && cpu_packed_bytes(shape) == 0)
    shape.weight_block_bytes =
        shape.low ? weight_block_bytes<Bf16>(shape) : weight_block_bytes<float>(shape);
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
