// The eager engine: nanoGPT's modules under autograd and autocast (src/model/layers.cpp), which
// keep a block or run it again in backward (src/model/recomputed_block.cpp); the chunked head
// (src/kernels/ops/lm_head.cpp). The residual stream is float32; matmuls, attention and what feeds
// them are in the compute type, of s bytes.
#include <algorithm>

#include "tables.h"

namespace gpt {

namespace {

struct Sizes {
  const Workload& workload;
  const Plan& plan;
  std::int64_t C, T, V, H, s, tokens;  // tokens of a piece

  Sizes(const Workload& p, const Plan& c, std::int64_t sequences)
      : workload(p),
        plan(c),
        C(p.width),
        T(p.block),
        V(p.vocab),
        H(p.heads),
        s(p.type_bytes),
        tokens(sequences * p.block) {}

  bool mixed() const { return s != 4; }
  std::int64_t scores() const { return H * T * s * tokens; }  // (B, H, T, T), one tensor
  // CUDA's autocast takes softmax, and so dropout after it, in float32.
  bool wide_scores() const { return mixed() && workload.cuda; }
  // At most at once in the forward pass: before and after the mask, softmax's input and output.
  std::int64_t written_scores() const {
    return wide_scores() ? H * T * (2 * s + 8) * tokens : 3 * scores();
  }
  // Softmax's output, and the product's factor where that is another: dropped, or cast.
  std::int64_t kept_scores() const {
    if (wide_scores()) return H * T * (4 + s) * tokens;
    return (workload.dropout ? 2 : 1) * scores();
  }
};

// Kept by autograd for one block's backward.
std::int64_t kept_by_autograd(const Sizes& z) {
  // x, x after attention; LayerNorms' outputs and statistics; q, k, v and attention's output;
  // c_fc's and GELU's.
  const std::int64_t per_token = 8 * z.C + 2 * z.s * z.C + 16 + 4 * z.s * z.C + 8 * z.s * z.C;
  const std::int64_t bytes = per_token * z.tokens;
  if (!z.workload.writes_out_scores()) return bytes + 4 * z.H * z.tokens;  // log of softmax's sums
  return bytes + z.kept_scores() + z.T * z.T;  // and which positions are masked
}

bool keeps_blocks(const Sizes& z) {
  return z.plan.recompute == Recompute::kNone;
}

// Kept by one block until its backward starts: a block that runs again keeps its input.
std::int64_t kept_by_block(const Sizes& z) {
  return keeps_blocks(z) ? kept_by_autograd(z) : 4 * z.C * z.tokens;
}

// Cast weights of `blocks` blocks, which autocast or autograd holds.
std::int64_t cast_weights(const Sizes& z, std::int64_t blocks) {
  if (!z.mixed()) return 0;
  std::int64_t elements = 0;
  for_each_block_parameter(z.workload.bias, [&](const BlockParameter& parameter) {
    if (is_gemm_weight(parameter.role) || parameter.role == ParameterRole::kLinearBias)
      elements += parameter.elements(z.C);
  });
  return blocks * z.s * elements;
}

// While autograd works on one of the blocks, after which `below` blocks are to come.
void add_blocks(const Sizes& z, std::int64_t below, MemoryBreakdown& live) {
  live[MemoryKind::kActivations] = below * kept_by_block(z) + kept_by_autograd(z);
  live[MemoryKind::kCopies] += cast_weights(z, keeps_blocks(z) ? below + 1 : 1);
}

// One chunk of the head next to its logits: see head_pass().
void add_head(const Sizes& z, bool gradient, MemoryBreakdown& live) {
  const std::int64_t chunk = std::min(z.plan.head_chunk, z.tokens);
  const std::int64_t logits = chunk * z.V * z.s, x = chunk * z.C * z.s;
  live[MemoryKind::kHead] += block_bytes(z.workload, logits) + 4 * z.tokens;
  if (z.mixed()) {
    live[MemoryKind::kCopies] += z.s * z.V * z.C;
    live[MemoryKind::kHead] += x;
    // Float32 logits for the loss, then float32 dlogits and x for the weight's gradient.
    if (!z.workload.cuda)
      live[MemoryKind::kWorkspace] += 4 * chunk * z.V + (gradient ? 4 * chunk * z.C : 0);
  }
  if (!gradient) return;
  live[MemoryKind::kHead] += embedding_bytes(z.workload) + 4 * z.C * z.tokens;  // dW and dx
  if (z.mixed() && z.workload.cuda)
    live[MemoryKind::kWorkspace] += 4 * z.V * z.C;  // a chunk's dW before it is added
  else if (!z.mixed())
    live[MemoryKind::kWorkspace] += x;
}

Phase head_phase(const Sizes& z, MemoryBreakdown live) {
  live[MemoryKind::kActivations] = z.workload.layers * kept_by_block(z) +
                                   (4 * z.C + 8) * z.tokens;  // ln_f's input and statistics
  live[MemoryKind::kWorkspace] += 4 * z.C * z.tokens;         // ln_f's output
  if (keeps_blocks(z)) live[MemoryKind::kCopies] += cast_weights(z, z.workload.layers);
  add_head(z, /*gradient=*/true, live);
  return {"LM head", live};
}

// What a block that ran again holds next to what autograd keeps: its output.
std::int64_t again_workspace(const Sizes& z) {
  return 4 * z.C * z.tokens;
}

// The forward of the last block's attention where it is written out: scores before and after the
// mask, and softmax's output, which is kept. A block that runs again does so in backward, next to
// the gradients of its output and of the head's weight.
Phase attention_phase(const Sizes& z, MemoryBreakdown live) {
  add_blocks(z, z.workload.layers - 1, live);
  live[MemoryKind::kActivations] -= (8 * z.s * z.C + 4 * z.C) * z.tokens;  // its MLP has not run
  if (z.wide_scores())
    live[MemoryKind::kWorkspace] += z.written_scores() - z.kept_scores();
  else
    live[MemoryKind::kWorkspace] += 2 * z.scores() - (z.workload.dropout ? z.scores() : 0);
  if (!keeps_blocks(z)) {
    live[MemoryKind::kHead] = embedding_bytes(z.workload);
    live[MemoryKind::kWorkspace] += 4 * z.C * z.tokens;
  }
  return {"forward of the last attention", live};
}

// Its backward on a GPU, when the MLP and attention's output are gone: the gradient of softmax's
// output and input, and one more (as LibTorch's allocator counts), instead of the product's factor
// where it is another than softmax's output; the stream's. Gradients of the MLP's weights and of
// c_proj's are there instead of their copies. A block that ran again has the stream's twice.
Phase attention_backward_phase(const Sizes& z, MemoryBreakdown live) {
  add_blocks(z, z.workload.layers - 1, live);
  live[MemoryKind::kActivations] -= (10 * z.s * z.C + 4 * z.C) * z.tokens;
  live[MemoryKind::kHead] = embedding_bytes(z.workload);
  const std::int64_t weights = 9 * z.C * z.C;
  if (z.mixed()) live[MemoryKind::kCopies] -= z.s * weights;
  if (z.workload.pieces(z.plan) == 1)
    live[MemoryKind::kGradients] = like_final_norm(z.workload, 4) + 4 * weights;
  const std::int64_t factor = z.mixed() || z.workload.dropout ? z.s : 0;
  live[MemoryKind::kWorkspace] += (4 * z.C + z.H * z.T * (12 - factor)) * z.tokens;
  if (!keeps_blocks(z)) live[MemoryKind::kWorkspace] += again_workspace(z) + 4 * z.C * z.tokens;
  return {"backward of the last attention", live};
}

std::int64_t matrix(const Sizes& z) {
  return 4 * z.C * z.C;  // elements of an MLP's product
}

// The moment in the backward of a block when memory peaks: the product of c_proj in its MLP. The
// gradients of GELU's output and of the weight exist next to all that the block has kept. With a
// half type the weight's gradient is cast when GELU's output and the weight's copy are gone.
std::int64_t backward_workspace(const Sizes& z) {
  const std::int64_t weight = matrix(z), gelu = 4 * z.s * z.C * z.tokens;
  const std::int64_t stream = 4 * z.C * z.tokens;
  if (!z.mixed()) return stream + gelu + 4 * weight;
  return stream + gelu + z.s * z.C * z.tokens + z.s * weight +
         std::max<std::int64_t>(0, 4 * weight - gelu - z.s * weight);
}

Phase block_phase(const Sizes& z, std::int64_t block, MemoryBreakdown live) {
  const Workload& workload = z.workload;
  add_blocks(z, block, live);
  live[MemoryKind::kHead] = embedding_bytes(workload);  // wte's gradient waits for the embedding's
  live[MemoryKind::kWorkspace] += backward_workspace(z);
  if (!keeps_blocks(z)) live[MemoryKind::kWorkspace] += again_workspace(z);
  if (workload.pieces(z.plan) == 1)  // later pieces find all gradients there
    live[MemoryKind::kGradients] =
        like_final_norm(workload, 4) + like_blocks(workload, workload.layers - 1 - block, 4);
  return {block == 0 ? "backward of the first block" : "backward of the last block", live};
}

// The embeddings' backward: dense gradients of wte, next to the head's, and of wpe.
Phase embedding_phase(const Sizes& z, MemoryBreakdown live) {
  live[MemoryKind::kHead] = embedding_bytes(z.workload);
  live[MemoryKind::kWorkspace] += embedding_bytes(z.workload) + 4 * z.C * z.tokens + 8 * z.T * z.C;
  if (z.workload.pieces(z.plan) == 1)
    live[MemoryKind::kGradients] =
        like_final_norm(z.workload, 4) + like_blocks(z.workload, z.workload.layers, 4);
  return {"backward of the embeddings", live};
}

}  // namespace

Phases eager_step(const Workload& workload, const Plan& plan) {
  const Sizes z(workload, plan, plan.micro_batch);
  const std::int64_t pieces = workload.pieces(plan);
  MemoryBreakdown live = persistent_memory(workload, plan);
  live[MemoryKind::kWorkspace] = library_bytes(workload);
  live[MemoryKind::kBatch] = batch_bytes(workload, plan.micro_batch, pieces);
  if (pieces > 1) live[MemoryKind::kGradients] = like_parameters(workload, 4);
  Phases phases{head_phase(z, live), block_phase(z, workload.layers - 1, live),
                block_phase(z, 0, live), embedding_phase(z, live)};
  if (workload.writes_out_scores()) phases.push_back(attention_phase(z, live));
  if (workload.writes_out_scores() && workload.cuda)
    phases.push_back(attention_backward_phase(z, live));
  live[MemoryKind::kGradients] = like_parameters(workload, 4);
  phases.push_back({"update", live});
  return phases;
}

Phases eager_evaluation(const Workload& workload, const Plan& plan) {
  const Sizes z(workload, plan, plan.eval_batch);
  MemoryBreakdown live = persistent_memory(workload, plan);
  live[MemoryKind::kWorkspace] = library_bytes(workload);
  live[MemoryKind::kGradients] = like_parameters(workload, 4);  // of the step before
  live[MemoryKind::kBatch] = batch_bytes(workload, plan.eval_batch, 4);
  live[MemoryKind::kCopies] = cast_weights(z, workload.layers);
  MemoryBreakdown mlp = live, head = live;
  // x, x after attention, the LayerNorm's output; c_fc, GELU, c_proj.
  mlp[MemoryKind::kWorkspace] += (12 * z.C + 9 * z.s * z.C) * z.tokens;
  head[MemoryKind::kWorkspace] += 4 * z.C * z.tokens;
  add_head(z, /*gradient=*/false, head);
  Phases phases{{"evaluation: MLP", mlp}, {"evaluation: LM head", head}};
  if (workload.plain_attention) {
    MemoryBreakdown attention = live;
    attention[MemoryKind::kWorkspace] += (8 * z.C + 3 * z.s * z.C) * z.tokens + z.written_scores();
    phases.push_back({"evaluation: attention", attention});
  }
  return phases;
}

}  // namespace gpt
