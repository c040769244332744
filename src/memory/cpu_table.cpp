// The fused engine of the CPU: one arena for a group of sequences (gpt/model/cpu_shape.h), one flat
// buffer of gradients that stays, and what each further thread adds to on its own.
#include <algorithm>

#include "gpt/model/cpu_shape.h"

#include "tables.h"

namespace gpt {

namespace {

bool threads_share(const Problem& problem, std::int64_t sequences) {
  return cpu_threads_share(problem.parameters(), sequences, static_cast<int>(problem.threads));
}

CpuShape uncut_shape(const Problem& problem, const Choice& choice) {
  return {.layers = problem.layers,
          .heads = problem.heads,
          .width = problem.width,
          .vocab = problem.vocab,
          .low = problem.type_bytes != 4,
          .recompute = choice.recompute};
}

std::int64_t arena_bytes(const Problem& problem, const Choice& choice, std::int64_t sequences,
                         bool gradients) {
  CpuShape shape =
      cpu_shape(uncut_shape(problem, choice), threads_share(problem, sequences), sequences,
                problem.block, choice.head_chunk, static_cast<int>(problem.threads));
  shape.gradients = gradients;
  return block_bytes(problem, shape.groups * cpu_arena_bytes(shape));
}

// All of it is there all the time from the first evaluation and step on.
Footprint always(const Problem& problem, const Choice& choice, std::int64_t batch) {
  const std::int64_t all = problem.parameters();
  const std::int64_t matrices =
      (problem.vocab + problem.block) * problem.width + problem.layers * problem.block_matrices();
  const std::int64_t partial = threads_share(problem, choice.micro_batch) ? all - matrices : all;
  Footprint live = standing(problem, choice);
  live[Use::kGradients] =
      block_bytes(problem, 4 * all) + (problem.threads - 1) * block_bytes(problem, 4 * partial);
  if (problem.type_bytes != 4) live[Use::kCopies] = block_bytes(problem, 2 * matrices);
  live[Use::kCopies] += block_bytes(problem, cpu_packed_bytes(uncut_shape(problem, choice), all));
  live[Use::kActivations] =
      std::max(arena_bytes(problem, choice, choice.micro_batch, /*gradients=*/true),
               arena_bytes(problem, choice, choice.eval_batch, /*gradients=*/false));
  live[Use::kBatch] = batch;
  return live;
}

}  // namespace

Phases cpu_step(const Problem& problem, const Choice& choice) {
  const std::int64_t pieces = choice.pieces(problem);
  return {{"forward and backward",
           always(problem, choice, batch_bytes(problem, choice.micro_batch, pieces))}};
}

Phases cpu_evaluation(const Problem& problem, const Choice& choice) {
  return {{"evaluation", always(problem, choice, batch_bytes(problem, choice.eval_batch, 4))}};
}

}  // namespace gpt
