// The fused engine on tensors, a GPU's: blocks with hand-chosen saved tensors, gradients in one
// flat buffer that stays. All but the sums at the end are bytes per token.
#include <algorithm>
#include <utility>

#include "tables.h"

namespace gpt {

namespace {

// Of the LayerNorm's outputs: `low` in the compute type, `real` of the stream in float32.
struct Widths {
  std::int64_t low, real;
  std::int64_t heads;  // a float for each head: the logarithms of attention's sums
  std::int64_t statistics = 8;
};

Widths widths_of(const Problem& problem, bool writes_out_scores) {
  return {.low = problem.width * problem.type_bytes,
          .real = problem.width * 4,
          .heads = writes_out_scores ? 0 : 4 * problem.heads};
}

// A block keeps its input, ln_1 (y, statistics), q k v, attention (y, logarithms), its middle, ln_2
// and, four wide, c_fc and GELU; each level what the one before it keeps without some of that.
std::int64_t attention_kept(const Widths& of) {
  return of.real + 5 * of.low + of.heads + 2 * of.statistics;
}
std::int64_t block_kept(const Widths& of, Recompute level) {
  if (level == Recompute::kBlock) return of.real;
  std::int64_t bytes = attention_kept(of) + of.real + 9 * of.low;
  if (level >= Recompute::kGelu) bytes -= 4 * of.low;
  if (level >= Recompute::kNorm) bytes -= 2 * of.low;
  if (level >= Recompute::kMlp) bytes -= 4 * of.low;
  return bytes;
}

// What the MLP's backward makes again; ln_1 is made again when attention's turn comes, and then the
// MLP's are gone.
std::int64_t mlp_again(const Widths& of, Recompute level) {
  switch (level) {
    case Recompute::kNone:
      return 0;
    case Recompute::kGelu:
      return 4 * of.low;
    case Recompute::kNorm:
      return 5 * of.low;
    case Recompute::kMlp:
      return 9 * of.low;
    case Recompute::kBlock:
      break;
  }
  return block_kept(of, Recompute::kNone) - block_kept(of, Recompute::kBlock);
}

// The scores of every pair of tokens.
std::int64_t scores(const Problem& problem) {
  return problem.heads * problem.block * problem.type_bytes;
}

// Weights, their gradients, those of the scores, and q or k side by side; or what CUDA's kernels
// add up in float32.
std::int64_t attention_work(const Problem& problem, const Widths& of) {
  if (problem.writes_out_scores()) return 3 * scores(problem) + of.low;
  return problem.cuda ? of.real + 2 * of.heads : 0;
}

MemoryBreakdown always(const Problem& problem, const Choice& choice) {
  MemoryBreakdown live = persistent_memory(problem, choice);
  live[MemoryKind::kGradients] = like_parameters(problem, 4);
  if (problem.type_bytes != 4)
    live[MemoryKind::kCopies] = like_parameters(problem, problem.type_bytes);
  live[MemoryKind::kWorkspace] = library_bytes(problem);
  // Their input; and cuBLAS has a workspace for each stream, so for the one that records.
  if (problem.graphs)
    live[MemoryKind::kGraphs] =
        problem.workspace + 2 * block_bytes(problem, 8 * choice.micro_batch * problem.block);
  return live;
}

std::int64_t head_bytes(const Problem& problem, const Choice& choice, std::int64_t tokens,
                        bool gradient) {
  const std::int64_t chunk = std::min(choice.head_chunk, tokens);
  return chunk * (problem.vocab + (gradient ? problem.width : 0)) * problem.type_bytes;
}

}  // namespace

Phases tensor_step(const Problem& problem, const Choice& choice) {
  const std::int64_t tokens = choice.micro_batch * problem.block;
  const Widths of = widths_of(problem, problem.writes_out_scores());
  const std::int64_t kept = block_kept(of, choice.recompute);
  MemoryBreakdown live = always(problem, choice);
  live[MemoryKind::kBatch] = batch_bytes(problem, choice.micro_batch, choice.pieces(problem));

  // ln_f and the gradient of its output.
  MemoryBreakdown head = live;
  head[MemoryKind::kActivations] =
      (problem.layers * kept + of.real + of.low + of.statistics) * tokens;
  head[MemoryKind::kWorkspace] += of.low * tokens;
  head[MemoryKind::kHead] = head_bytes(problem, choice, tokens, /*gradient=*/true);

  // The gradients of the stream, of the branch and of c_fc.
  MemoryBreakdown mlp = live;
  mlp[MemoryKind::kActivations] = problem.layers * kept * tokens;
  mlp[MemoryKind::kWorkspace] += (mlp_again(of, choice.recompute) + of.real + 5 * of.low) * tokens;

  // Those of the stream, of attention's output and of q, k and v.
  MemoryBreakdown attention = live;
  attention[MemoryKind::kActivations] = ((problem.layers - 1) * kept + attention_kept(of)) * tokens;
  attention[MemoryKind::kWorkspace] +=
      (of.real + 4 * of.low + attention_work(problem, of)) * tokens;
  return {{"LM head", head},
          {"backward of the last block's MLP", mlp},
          {"backward of the last block's attention", attention}};
}

namespace {

// A step's working memory belongs to the graphs that recorded it, and stays.
std::int64_t recorded_bytes(const Problem& problem, const Choice& choice) {
  if (!problem.graphs) return 0;
  const MemoryBreakdown step = peak_of(tensor_step(problem, choice)).live;
  return step.tensors() - step[MemoryKind::kBatch] - always(problem, choice).tensors();
}

}  // namespace

// The graphs' input and workspace, no graph's own, are there from the first recording on.
MemoryBreakdown tensor_between_steps(const Problem& problem, const Choice& choice) {
  MemoryBreakdown live = always(problem, choice);
  live[MemoryKind::kWorkspace] +=
      std::exchange(live[MemoryKind::kGraphs], recorded_bytes(problem, choice));
  return live;
}

Phases tensor_evaluation(const Problem& problem, const Choice& choice) {
  const std::int64_t tokens = choice.eval_batch * problem.block;
  const Widths of = widths_of(problem, problem.plain_attention);
  MemoryBreakdown live = tensor_between_steps(problem, choice);
  live[MemoryKind::kBatch] = batch_bytes(problem, choice.eval_batch, 1);
  // Nothing is kept: the stream and the branch before and after a LayerNorm, c_fc next to GELU, or
  // attention.
  const std::int64_t norm = 2 * of.real + 2 * of.low + of.statistics;
  const std::int64_t mlp = of.real + 8 * of.low + of.statistics;
  const std::int64_t attention =
      of.real + 3 * of.low + (problem.plain_attention ? 2 * scores(problem) : of.low + of.heads);
  MemoryBreakdown block = live, head = live;
  block[MemoryKind::kWorkspace] += std::max({norm, mlp, attention}) * tokens;
  head[MemoryKind::kWorkspace] += of.low * tokens;
  head[MemoryKind::kHead] = head_bytes(problem, choice, tokens, /*gradient=*/false);
  return {{"evaluation: block", block}, {"evaluation: LM head", head}};
}

}  // namespace gpt
