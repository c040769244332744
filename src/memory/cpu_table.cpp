// The fused engine of the CPU: one arena for a group of sequences (gpt/model/cpu_shape.h), one flat
// buffer of gradients that stays, and what each further thread adds to on its own.
#include <algorithm>

#include "gpt/model/cpu_shape.h"

#include "tables.h"

namespace gpt {

namespace {

CpuShape uncut_shape(const Problem& problem, const Choice& choice) {
  return {.layers = problem.layers,
          .heads = problem.heads,
          .width = problem.width,
          .vocab = problem.vocab,
          .parameters = problem.parameters(),
          .low = problem.type_bytes != 4,
          .recompute = choice.recompute};
}

std::int64_t matrices_of(const Problem& problem) {
  return (problem.vocab + problem.block) * problem.width +
         problem.layers * problem.block_matrices();
}

// How a batch of so many sequences is worked on.
struct Work {
  bool together;
  CpuShape shape;
};

Work work_of(const Problem& problem, const Choice& choice, std::int64_t sequences) {
  const int threads = static_cast<int>(problem.threads);
  const bool together = cpu_threads_share(problem.parameters(), sequences, threads);
  return {together, cpu_shape(uncut_shape(problem, choice), together, sequences, problem.block,
                              choice.head_chunk, threads)};
}

std::int64_t arena_bytes(const Problem& problem, CpuShape shape, bool gradients) {
  shape.gradients = gradients;
  return block_bytes(problem, shape.groups * cpu_arena_bytes(shape));
}

// Of a thread other than the first: gradients of its own of all weights, or of vectors alone.
std::int64_t partial_bytes(const Problem& problem, const Work& work, std::int64_t rank) {
  const std::int64_t all = problem.parameters();
  if (work.together) return block_bytes(problem, 4 * (all - matrices_of(problem)));
  return rank < work.shape.groups ? block_bytes(problem, 4 * all) : 0;
}

// All of it is there all the time from the first evaluation and step on. The last piece of a step
// or of an evaluation may have fewer sequences than the others, and a single one is worked on by
// all threads.
MemoryBreakdown always(const Problem& problem, const Choice& choice, std::int64_t batch) {
  const std::int64_t all = problem.parameters();
  const auto last_of = [&](std::int64_t sequences, std::int64_t piece) {
    return work_of(problem, choice, sequences % piece == 0 ? piece : sequences % piece);
  };
  const Work usual = work_of(problem, choice, choice.micro_batch);
  const Work last = last_of(problem.effective(), choice.micro_batch);
  const Work evaluation = work_of(problem, choice, choice.eval_batch);
  const Work last_evaluation = last_of(problem.batch, choice.eval_batch);
  MemoryBreakdown live = persistent_memory(problem, choice);
  live[MemoryKind::kGradients] = block_bytes(problem, 4 * all);
  for (std::int64_t rank = 1; rank < problem.threads; ++rank)
    live[MemoryKind::kGradients] +=
        std::max(partial_bytes(problem, usual, rank), partial_bytes(problem, last, rank));
  if (problem.type_bytes != 4)
    live[MemoryKind::kCopies] = block_bytes(problem, 2 * matrices_of(problem));
  live[MemoryKind::kCopies] += block_bytes(problem, cpu_packed_bytes(uncut_shape(problem, choice)));
  live[MemoryKind::kActivations] =
      std::max({arena_bytes(problem, usual.shape, /*gradients=*/true),
                arena_bytes(problem, last.shape, /*gradients=*/true),
                arena_bytes(problem, evaluation.shape, /*gradients=*/false),
                arena_bytes(problem, last_evaluation.shape, false)});
  live[MemoryKind::kBatch] = batch;
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
