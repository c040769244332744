// The fused engine of the GPU: one node per block with hand-chosen saved tensors, gradients in one
// flat buffer that stays. s: bytes of the compute type.
#include <algorithm>

#include "tables.h"

namespace gpt {

namespace {

// B/token kept by one block.
std::int64_t kept_by_block(const Problem& problem, Recompute level) {
  const std::int64_t C = problem.width, s = problem.type_bytes;
  if (level == Recompute::kBlock) return 4 * C;
  std::int64_t bytes = 8 * C + 14 * s * C + 4 * problem.heads + 16;
  if (level >= Recompute::kGelu) bytes -= 4 * s * C;
  if (level >= Recompute::kNorm) bytes -= 2 * s * C;
  if (level >= Recompute::kMlp) bytes -= 4 * s * C;
  return bytes;
}

Footprint always(const Problem& problem, const Choice& choice) {
  constexpr std::int64_t kPartials = std::int64_t{8} << 20;  // of LayerNorms' and biases' gradients
  Footprint live = standing(problem, choice);
  live[Use::kGradients] = like_parameters(problem, 4);
  if (problem.type_bytes != 4) live[Use::kCopies] = like_parameters(problem, problem.type_bytes);
  live[Use::kWorkspace] = kPartials + library_bytes(problem);
  return live;
}

std::int64_t logits_bytes(const Problem& problem, const Choice& choice, std::int64_t tokens) {
  const std::int64_t chunk = std::min(choice.head_chunk, tokens);
  return chunk * problem.vocab * problem.type_bytes + chunk * problem.width * problem.type_bytes;
}

}  // namespace

Phases gpu_step(const Problem& problem, const Choice& choice) {
  const std::int64_t tokens = choice.micro_batch * problem.block;
  const std::int64_t C = problem.width, s = problem.type_bytes;
  const std::int64_t kept = kept_by_block(problem, choice.recompute);
  const std::int64_t again = kept_by_block(problem, Recompute::kNone) - kept;
  Footprint live = always(problem, choice);
  live[Use::kBatch] = batch_bytes(problem, choice.micro_batch, choice.pieces(problem));
  live[Use::kActivations] = (problem.layers * kept + 4 * C + s * C + 8) * tokens;
  live[Use::kWorkspace] += (4 * C + s * C) * tokens;  // the gradient's stream

  Footprint head = live;
  head[Use::kHead] = logits_bytes(problem, choice, tokens);
  Footprint block = live;
  // dh, in place; what the level dropped; dqkv, dq, dk, dv, dy.
  block[Use::kWorkspace] += (4 * s * C + again + 7 * s * C) * tokens;
  if (problem.writes_out_scores())
    block[Use::kWorkspace] += 4 * problem.heads * problem.block * s * tokens;
  return {{"LM head", head}, {"backward of the last block", block}};
}

Phases gpu_evaluation(const Problem& problem, const Choice& choice) {
  const std::int64_t tokens = choice.eval_batch * problem.block;
  const std::int64_t C = problem.width, s = problem.type_bytes;
  Footprint live = always(problem, choice);
  live[Use::kBatch] = batch_bytes(problem, choice.eval_batch, 1);
  Footprint block = live, head = live;
  block[Use::kWorkspace] += (8 * C + 14 * s * C) * tokens;
  head[Use::kWorkspace] += (4 * C + s * C) * tokens;
  head[Use::kHead] = logits_bytes(problem, choice, tokens);
  return {{"evaluation: block", block}, {"evaluation: LM head", head}};
}

}  // namespace gpt
