// The fused engine of the CPU: one arena for a group of sequences (gpt/model/cpu_shape.h), one flat
// buffer of gradients that stays, and what each further thread adds to on its own.
#include <algorithm>

#include "gpt/model/cpu_shape.h"

#include "tables.h"

namespace gpt {

namespace {

CpuShape uncut_shape(const Workload& workload, const Plan& plan) {
  return {.layers = workload.layers,
          .heads = workload.heads,
          .width = workload.width,
          .vocab = workload.vocab,
          .parameters = workload.parameters(),
          .low = workload.type_bytes != 4,
          .documents = workload.documents,
          .recompute = plan.recompute};
}

std::int64_t matrices_of(const Workload& workload) {
  return (workload.vocab + workload.block) * workload.width +
         workload.layers * workload.block_matrices();
}

// How a batch of so many sequences is worked on.
struct Work {
  bool together;
  CpuShape shape;
};

Work work_of(const Workload& workload, const Plan& plan, std::int64_t sequences) {
  const int threads = static_cast<int>(workload.threads);
  const bool together = cpu_threads_share(workload.parameters(), sequences, threads);
  return {together, cpu_shape(uncut_shape(workload, plan), together, sequences, workload.block,
                              plan.head_chunk, threads)};
}

std::int64_t arena_bytes(const Workload& workload, CpuShape shape, bool gradients) {
  shape.gradients = gradients;
  return block_bytes(workload, shape.groups * cpu_arena_bytes(shape));
}

// Of a thread other than the first: gradients of its own of all weights, or of vectors alone.
std::int64_t partial_bytes(const Workload& workload, const Work& work, std::int64_t rank) {
  const std::int64_t all = workload.parameters();
  if (work.together) return block_bytes(workload, 4 * (all - matrices_of(workload)));
  return rank < work.shape.groups ? block_bytes(workload, 4 * all) : 0;
}

// All of it is there all the time from the first evaluation and step on. The last piece of a step
// or of an evaluation may have fewer sequences than the others, and a single one is worked on by
// all threads.
MemoryBreakdown always(const Workload& workload, const Plan& plan, std::int64_t batch) {
  const std::int64_t all = workload.parameters();
  const auto last_of = [&](std::int64_t sequences, std::int64_t piece) {
    return work_of(workload, plan, sequences % piece == 0 ? piece : sequences % piece);
  };
  const Work usual = work_of(workload, plan, plan.micro_batch);
  const Work last = last_of(workload.effective(), plan.micro_batch);
  const Work evaluation = work_of(workload, plan, plan.eval_batch);
  const Work last_evaluation = last_of(workload.evaluated(), plan.eval_batch);
  MemoryBreakdown live = persistent_memory(workload, plan);
  live[MemoryKind::kGradients] = block_bytes(workload, 4 * all);
  for (std::int64_t rank = 1; rank < workload.threads; ++rank)
    live[MemoryKind::kGradients] +=
        std::max(partial_bytes(workload, usual, rank), partial_bytes(workload, last, rank));
  if (workload.type_bytes != 4)
    live[MemoryKind::kCopies] = block_bytes(workload, 2 * matrices_of(workload));
  live[MemoryKind::kCopies] += block_bytes(workload, cpu_packed_bytes(uncut_shape(workload, plan)));
  live[MemoryKind::kActivations] =
      std::max({arena_bytes(workload, usual.shape, /*gradients=*/true),
                arena_bytes(workload, last.shape, /*gradients=*/true),
                arena_bytes(workload, evaluation.shape, /*gradients=*/false),
                arena_bytes(workload, last_evaluation.shape, false)});
  live[MemoryKind::kBatch] = batch;
  return live;
}

}  // namespace

Phases cpu_step(const Workload& workload, const Plan& plan) {
  const std::int64_t pieces = workload.pieces(plan);
  return {{"forward and backward",
           always(workload, plan, batch_bytes(workload, plan.micro_batch, pieces))}};
}

Phases cpu_evaluation(const Workload& workload, const Plan& plan) {
  return {{"evaluation", always(workload, plan, batch_bytes(workload, plan.eval_batch, 4))}};
}

}  // namespace gpt
