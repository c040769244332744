// The fused engine on tensors, a GPU's: blocks with hand-chosen saved tensors, gradients in one
// flat buffer that stays. All but the sums at the end are bytes per token.
#include <algorithm>
#include <utility>

#include "gpt/kernels/ops/attention.h"
#include "gpt/kernels/ops/lm_head.h"

#include "tables.h"

namespace gpt {

namespace {

// Of the LayerNorm's outputs: `low` in the compute type, `real` of the stream in float32.
struct Widths {
  std::int64_t low, real;
  std::int64_t heads;  // a float for each head: the logarithms of attention's sums
  std::int64_t statistics = 8;
};

Widths widths_of(const Workload& workload, bool writes_out_scores) {
  return {.low = workload.width * workload.type_bytes,
          .real = workload.width * 4,
          .heads = writes_out_scores ? 0 : 4 * workload.heads};
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

// Tokens of the sequences whose scores exist at once, and the scores of every pair of them.
std::int64_t scored_tokens(const Workload& workload, std::int64_t sequences) {
  return workload.block * std::min(sequences, plain_attention_group(workload.heads, workload.block,
                                                                    workload.type_bytes));
}
std::int64_t scores(const Workload& workload, std::int64_t sequences) {
  return workload.heads * workload.block * workload.type_bytes * scored_tokens(workload, sequences);
}

// Weights, the gradients of the scores, and q or k side by side; or a sum of the tiled kernel; or
// what CUDA's kernels add up in float32.
std::int64_t attention_work(const Workload& workload, const Widths& of, std::int64_t sequences) {
  if (workload.writes_out_scores())
    return 2 * scores(workload, sequences) + of.low * scored_tokens(workload, sequences);
  if (workload.tiled_attention && (workload.dropout || workload.documents))
    return of.heads * sequences * workload.block;
  return workload.cuda ? (of.real + 2 * of.heads) * sequences * workload.block : 0;
}

// The rows of zeros with which the copy of the head's weight, and its gradient, are padded.
std::int64_t head_padding(const Workload& workload) {
  return (padded_vocabulary(workload.vocab) - workload.vocab) * workload.width;
}

MemoryBreakdown always(const Workload& workload, const Plan& plan) {
  MemoryBreakdown live = persistent_memory(workload, plan);
  live[MemoryKind::kGradients] = like_parameters(workload, 4);
  if (workload.type_bytes != 4) {
    live[MemoryKind::kGradients] += 4 * head_padding(workload);
    live[MemoryKind::kCopies] = like_parameters(workload, workload.type_bytes) +
                                workload.type_bytes * head_padding(workload);
  }
  live[MemoryKind::kWorkspace] = library_bytes(workload);
  // Their input; and cuBLAS has a workspace for each stream, so for the one that records.
  if (workload.graphs)
    live[MemoryKind::kGraphs] = workload.cublas_workspace() +
                                2 * block_bytes(workload, 8 * plan.micro_batch * workload.block);
  return live;
}

std::int64_t head_bytes(const Workload& workload, const Plan& plan, std::int64_t tokens,
                        bool gradient) {
  const std::int64_t chunk = std::min(plan.head_chunk, tokens);
  return chunk * (padded_vocabulary(workload.vocab) + (gradient ? workload.width : 0)) *
         workload.type_bytes;
}

}  // namespace

Phases tensor_step(const Workload& workload, const Plan& plan) {
  const std::int64_t tokens = plan.micro_batch * workload.block;
  const Widths of = widths_of(workload, workload.writes_out_scores());
  const std::int64_t kept = block_kept(of, plan.recompute);
  MemoryBreakdown live = always(workload, plan);
  live[MemoryKind::kBatch] = batch_bytes(workload, plan.micro_batch, workload.pieces(plan));

  // ln_f and the gradient of its output.
  MemoryBreakdown head = live;
  head[MemoryKind::kActivations] =
      (workload.layers * kept + of.real + of.low + of.statistics) * tokens;
  head[MemoryKind::kWorkspace] += of.low * tokens;
  head[MemoryKind::kHead] = head_bytes(workload, plan, tokens, /*gradient=*/true);

  // The gradients of the stream, of the branch and of c_fc.
  MemoryBreakdown mlp = live;
  mlp[MemoryKind::kActivations] = workload.layers * kept * tokens;
  mlp[MemoryKind::kWorkspace] += (mlp_again(of, plan.recompute) + of.real + 5 * of.low) * tokens;

  // Those of the stream, of attention's output and of q, k and v.
  MemoryBreakdown attention = live;
  attention[MemoryKind::kActivations] =
      ((workload.layers - 1) * kept + attention_kept(of)) * tokens;
  attention[MemoryKind::kWorkspace] +=
      (of.real + 4 * of.low) * tokens + attention_work(workload, of, plan.micro_batch);
  return {{"LM head", head},
          {"backward of the last block's MLP", mlp},
          {"backward of the last block's attention", attention}};
}

namespace {

// A step's working memory belongs to the graphs that recorded it, and stays.
std::int64_t recorded_bytes(const Workload& workload, const Plan& plan) {
  if (!workload.graphs) return 0;
  const MemoryBreakdown step = peak_of(tensor_step(workload, plan)).live;
  return step.tensors() - step[MemoryKind::kBatch] - always(workload, plan).tensors();
}

}  // namespace

// The graphs' input and workspace, no graph's own, are there from the first recording on.
MemoryBreakdown tensor_between_steps(const Workload& workload, const Plan& plan) {
  MemoryBreakdown live = always(workload, plan);
  live[MemoryKind::kWorkspace] +=
      std::exchange(live[MemoryKind::kGraphs], recorded_bytes(workload, plan));
  return live;
}

Phases tensor_evaluation(const Workload& workload, const Plan& plan) {
  const std::int64_t tokens = plan.eval_batch * workload.block;
  const Widths of = widths_of(workload, workload.plain_attention);
  MemoryBreakdown live = tensor_between_steps(workload, plan);
  live[MemoryKind::kBatch] = batch_bytes(workload, plan.eval_batch, 1);
  // Nothing is kept: the stream and the branch before and after a LayerNorm, c_fc next to GELU, or
  // attention.
  const std::int64_t norm = 2 * of.real + 2 * of.low + of.statistics;
  const std::int64_t mlp = of.real + 8 * of.low + of.statistics;
  std::int64_t attention = (of.real + 4 * of.low + of.heads) * tokens;
  if (workload.plain_attention) {
    // q and k side by side, of the sequences at hand; the result is there from the first group on.
    const std::int64_t scored = scored_tokens(workload, plan.eval_batch);
    attention = (of.real + (scored < tokens ? 4 : 3) * of.low) * tokens + 2 * of.low * scored +
                scores(workload, plan.eval_batch);
  }
  MemoryBreakdown block = live, head = live;
  block[MemoryKind::kWorkspace] += std::max(std::max(norm, mlp) * tokens, attention);
  head[MemoryKind::kWorkspace] += of.low * tokens;
  head[MemoryKind::kHead] = head_bytes(workload, plan, tokens, /*gradient=*/false);
  return {{"evaluation: block", block}, {"evaluation: LM head", head}};
}

}  // namespace gpt
