// The forward pass, and the steps that forward and backward are made of.
#include "cpu_pass.h"

#include <algorithm>

#include "gpt/base/profile_range.h"

namespace gpt {

namespace {

// The part of matrix B that is a block of it.
template <class X>
GemmOperand<X> part_of(const GemmOperand<X>& side, const WeightBlock& block) {
  const std::int64_t at = side.k_contiguous ? block.column * side.stride + block.depth
                                            : block.depth * side.stride + block.column;
  return {side.data + at, side.stride, side.k_contiguous};
}

}  // namespace

template <class X>
CpuPass<X>::CpuPass(const CpuModel& model, const CpuBuffers<X>& buffers, const Group& group,
                    ThreadGroup threads, float* matrices, float* vectors)
    : model_(model),
      buffers_(buffers),
      group_(group),
      threads_(threads),
      matrices_(matrices),
      vectors_(vectors),
      row_kernels_(row_kernels()),
      C_(model.shape.width),
      T_(model.shape.tokens),
      rows_(threads.partition(group.tokens)) {}

template <class X>
void CpuPass<X>::forward() {
  const ProfileRange range("forward");
  embed();
  for (std::int64_t index = 0; index < model_.shape.layers; ++index) {
    attention_branch(index);
    mlp_hidden(index);
    mlp_output(index);
  }
  norm(buffers_.x_NC, model_.weights->norm_f, model_.weights->norm_f_bias, buffers_.stats_N2,
       buffers_.norm_NC);
}

template <class X>
void CpuPass<X>::embed() {
  const float *wte = model_.weights->wte.f32, *wpe = model_.weights->wpe.f32;
  for (std::int64_t token = rows_.begin; token < rows_.end; ++token) {
    float* row = layer(0).x_NC + token * C_;
    row_kernels_.add3(wte + group_.x[token] * C_, wpe + token % T_ * C_, nullptr, C_, row);
    if (drops()) drop(row, token, /*layer=*/-1, kEmbedding);
  }
}

template <class X>
float* CpuPass<X>::output_of(std::int64_t index) const {
  return index + 1 < model_.shape.layers ? layer(index + 1).x_NC : buffers_.x_NC;
}

template <class X>
void CpuPass<X>::attention_branch(std::int64_t index) {
  const Layer& l = layer(index);
  const CpuLayerWeights& w = weights(index);
  norm(l.x_NC, w.norm1, w.norm1_bias, l.stats1_N2, l.norm1_NC);
  // Within this thread's rows of 4 C: another may still be at the layer before.
  float* qkv = buffers_.wide_N4C + rows_.begin * C_;
  if constexpr (!kLow<X>) qkv = l.qkv_N3C;
  linear(l.norm1_NC, C_, w.qkv, 3 * C_, qkv);
  for (std::int64_t row = rows_.begin; row < rows_.end; ++row) {
    if (w.qkv_bias.f32) row_kernels_.add(qkv + row * 3 * C_, w.qkv_bias.f32, 3 * C_);
    if constexpr (kLow<X>)
      row_kernels_.to_operand(qkv + row * 3 * C_, 3 * C_, operand(l.qkv_N3C + row * 3 * C_));
  }
  threads_.wait();
  attend(index, attention_forward<X>);
  threads_.wait();
  linear(l.attention_NC, C_, w.proj, C_, buffers_.narrow_NC);
  residual(l.x_NC, buffers_.narrow_NC, w.proj_bias, index, kAttentionOutput, l.middle_NC);
}

template <class X>
void CpuPass<X>::mlp_hidden(std::int64_t index) {
  const Layer& l = layer(index);
  const CpuLayerWeights& w = weights(index);
  norm(l.middle_NC, w.norm2, w.norm2_bias, l.stats2_N2, l.norm2_NC);
  float* fc = buffers_.wide_N4C;
  if constexpr (!kLow<X>) fc = l.fc_N4C;
  linear(l.norm2_NC, C_, w.fc, 4 * C_, fc);
  for (std::int64_t row = rows_.begin; row < rows_.end; ++row) {
    const std::int64_t at = row * 4 * C_;
    Bf16* kept = nullptr;
    if constexpr (kLow<X>) kept = l.fc_N4C + at;
    row_kernels_.gelu(fc + at, w.fc_bias.f32, 4 * C_, model_.tanh_gelu, kept,
                      operand(l.gelu_N4C + at));
  }
}

template <class X>
void CpuPass<X>::mlp_output(std::int64_t index) {
  const Layer& l = layer(index);
  const CpuLayerWeights& w = weights(index);
  linear(l.gelu_N4C, 4 * C_, w.proj2, C_, buffers_.narrow_NC);
  residual(l.middle_NC, buffers_.narrow_NC, w.proj2_bias, index, kMlpOutput, output_of(index));
}

template <class X>
const X* CpuPass<X>::attention_dy() const {
  if constexpr (kLow<X>)
    return buffers_.low_NC;
  else
    return buffers_.narrow_NC;
}

template <class X>
Partition CpuPass<X>::document(std::int64_t sequence, std::int64_t begin) const {
  if (model_.document_end < 0) return {begin, T_};
  const std::int64_t* x = group_.x + sequence * T_;
  const std::int64_t* end = std::find(x + begin, x + T_, model_.document_end);
  return {begin, std::min(end - x + 1, T_)};
}

template <class X>
AttentionHead<X> CpuPass<X>::attention_head(std::int64_t index, std::int64_t unit,
                                            Partition tokens) const {
  const Layer& l = layer(index);
  const std::int64_t heads = model_.shape.heads, width = C_ / heads;
  const std::int64_t sequence = unit / heads, head = unit % heads;
  const std::int64_t first = sequence * T_ + tokens.begin;
  const X* qkv = l.qkv_N3C + first * 3 * C_ + head * width;
  X* dqkv = buffers_.low_wide_N4C + first * 3 * C_ + head * width;
  return {.q = qkv,
          .k = qkv + C_,
          .v = qkv + 2 * C_,
          .stride = 3 * C_,
          .y = l.attention_NC + first * C_ + head * width,
          .dy = attention_dy() + first * C_ + head * width,
          .y_stride = C_,
          .lse = l.lse_NH + first * heads + head,
          .lse_stride = heads,
          .dq = dqkv,
          .dk = dqkv + C_,
          .dv = dqkv + 2 * C_,
          .tokens = tokens.size(),
          .width = width,
          .dropout = nullptr,
          .sequence = drops() ? group_.sequence[sequence] : 0,
          .first_weight = (head * T_ + tokens.begin) * T_ + tokens.begin,
          .weight_stride = T_};
}

template <class X>
void CpuPass<X>::attend(std::int64_t index, AttentionKernel kernel) {
  const SequenceDropout dropout(
      model_.dropout.p, {model_.dropout.seed, model_.dropout.step, index, kAttentionWeights});
  const auto [begin, end] = threads_.partition(group_.sequences * model_.shape.heads);
  for (std::int64_t unit = begin; unit < end; ++unit) {
    const std::int64_t sequence = unit / model_.shape.heads;
    for (Partition tokens = document(sequence, 0); tokens.size() > 0;
         tokens = document(sequence, tokens.end)) {
      AttentionHead<X> head = attention_head(index, unit, tokens);
      if (drops()) head.dropout = &dropout;
      kernel(head, buffers_.attention[static_cast<std::size_t>(threads_.rank)]);
    }
  }
}

// Logits of a few tokens at a time, shared out by rows; then the weight's gradient by rows of it.
template <class X>
void CpuPass<X>::head() {
  const ProfileRange range("head");
  threads_.wait();
  const std::int64_t chunk = model_.shape.head_chunk;
  for (std::int64_t begin = 0; begin < group_.tokens; begin += chunk)
    head_chunk(begin, std::min(begin + chunk, group_.tokens));
}

template <class X>
void CpuPass<X>::head_chunk(std::int64_t begin, std::int64_t end) {
  const std::int64_t V = model_.shape.vocab;
  const auto mine = threads_.partition(end - begin);
  const CpuWeight& wte = model_.weights->wte;
  const X* x = buffers_.norm_NC + (begin + mine.begin) * C_;
  float* logits = buffers_.logits_KV + mine.begin * V;
  X* d = buffers_.dlogits_KV + mine.begin * V;
  forward_gemm(mine.size(), x, C_, wte, V, logits);
  for (std::int64_t row = 0; row < mine.size(); ++row) {
    const std::int64_t token = begin + mine.begin + row, target = group_.y[token];
    const bool ignored = target < 0;
    Operand to;
    if (matrices_) to = operand(d + row * V);
    const float loss =
        row_kernels_.cross_entropy(logits + row * V, V, ignored ? 0 : target, group_.factor, to);
    group_.loss[token] = ignored ? 0.0f : loss;
    if (ignored && matrices_) std::fill_n(d + row * V, V, X{0});
  }
  // The next chunk writes where this one's rows are, and shares them out otherwise if it is
  // shorter.
  if (!matrices_) return threads_.wait();
  backward_gemm(mine.size(), d, V, wte, C_, buffers_.narrow_NC + (begin + mine.begin) * C_);
  threads_.wait();
  const auto part = threads_.partition(V);
  gemm_tn({part.size(), C_, end - begin}, Matrix<const X>{buffers_.dlogits_KV + part.begin, V},
          Matrix<const X>{buffers_.norm_NC + begin * C_, C_},
          {matrices_ + wte.gradient + part.begin * C_, C_}, Into::kAdd);
  threads_.wait();
}

// GEMMs with weights, which the threads of a group may pack together.

// Two buffers in turn, so that one barrier is enough: whoever packs into the buffer of the block
// before last has waited for all others after their GEMMs with it.
template <class X>
const unsigned char* CpuPass<X>::pack_together(const WeightBlock& block, GemmOperand<X> weight) {
  const NativeGemm<X>& native = *native_gemm<X>();
  unsigned char* const place = buffers_.weight_block[turn_ ^= 1];
  const std::int64_t panel = native.panel_columns;
  const auto [begin, end] = threads_.partition((block.columns + panel - 1) / panel);
  native.pack_b(part_of(weight, block), begin * panel, std::min(end * panel, block.columns),
                block.columns, block.depths, place);
  threads_.wait();
  return place;
}

template <class X>
void CpuPass<X>::weight_gemm(GemmShape size, const X* a, GemmOperand<X> weight,
                             const unsigned char* kept, float* c) {
  const auto multiply = [&](const WeightBlock& block, const unsigned char* packed) {
    const GemmOperand<X> side = part_of(weight, block);
    const GemmShape part{size.M, block.columns, block.depths};
    const Matrix<const X> matrix_a{a + block.depth, size.K};
    const MatrixB<X> matrix_b{Matrix<const X>{side.data, side.stride}, {.data = packed}};
    const MutF32 to{c + block.column, size.N};
    const Into into = block.depth == 0 ? Into::kReplace : Into::kAdd;
    side.k_contiguous ? gemm_nt(part, matrix_a, matrix_b, to, into)
                      : gemm_nn(part, matrix_a, matrix_b, to, into);
  };
  if (kept || !buffers_.weight_block[0]) return multiply({0, size.N, 0, size.K}, kept);
  const WeightBlocks blocks(*native_gemm<X>(), size.N, size.K, model_.shape.weight_block_bytes);
  for (std::int64_t index = 0; index < blocks.count(); ++index) {
    const WeightBlock block = blocks.at(index);
    multiply(block, pack_together(block, weight));
  }
}

template <class X>
void CpuPass<X>::forward_gemm(std::int64_t rows, const X* x, std::int64_t in,
                              const CpuWeight& weight, std::int64_t out, float* y) {
  weight_gemm({rows, out, in}, x, {matrix_of<X>(weight), in, /*k_contiguous=*/true},
              weight.packed_forward, y);
}

template <class X>
void CpuPass<X>::backward_gemm(std::int64_t rows, const X* dy, std::int64_t out,
                               const CpuWeight& weight, std::int64_t in, float* dx) {
  weight_gemm({rows, in, out}, dy, {matrix_of<X>(weight), in, /*k_contiguous=*/false},
              weight.packed_backward, dx);
}

// What a thread does to its own rows of tokens.

template <class X>
void CpuPass<X>::linear(const X* x, std::int64_t in, const CpuWeight& weight, std::int64_t out,
                        float* y) {
  forward_gemm(rows_.size(), x + rows_.begin * in, in, weight, out, y + rows_.begin * out);
}

template <class X>
void CpuPass<X>::linear_backward(const X* dy, std::int64_t out, const CpuWeight& weight,
                                 std::int64_t in, float* dx) {
  backward_gemm(rows_.size(), dy + rows_.begin * out, out, weight, in, dx + rows_.begin * in);
}

template <class X>
void CpuPass<X>::norm(const float* x, const CpuWeight& gamma, const CpuWeight& beta, float* stats,
                      X* y) {
  for (std::int64_t row = rows_.begin; row < rows_.end; ++row)
    row_kernels_.norm(x + row * C_, gamma.f32, beta.f32, C_, stats + 2 * row,
                      operand(y + row * C_));
}

// From narrow_NC, the gradient of the LayerNorm's output, into dx_NC.
template <class X>
void CpuPass<X>::norm_backward(const float* x, const CpuWeight& gamma, const CpuWeight& beta,
                               const float* stats) {
  float* dbeta = beta.f32 ? vectors_ + beta.gradient : nullptr;
  for (std::int64_t row = rows_.begin; row < rows_.end; ++row)
    row_kernels_.norm_backward(buffers_.narrow_NC + row * C_, x + row * C_, stats + 2 * row,
                               gamma.f32, C_, buffers_.dx_NC + row * C_, vectors_ + gamma.gradient,
                               dbeta);
}

template <class X>
void CpuPass<X>::residual(const float* x, float* branch, const CpuWeight& bias, std::int64_t index,
                          int site, float* sum) {
  for (std::int64_t token = rows_.begin; token < rows_.end; ++token) {
    float* row = branch + token * C_;
    const float* bias_row = bias.f32;
    if (drops()) {
      if (bias_row) row_kernels_.add(row, bias_row, C_);
      bias_row = nullptr;
      drop(row, token, index, site);
    }
    row_kernels_.add3(x + token * C_, row, bias_row, C_, sum + token * C_);
  }
}

template <class X>
void CpuPass<X>::drop(float* row, std::int64_t token, std::int64_t index, int site) const {
  const SequenceDropout dropout(model_.dropout.p,
                                {model_.dropout.seed, model_.dropout.step, index, site});
  dropout(row, token % T_ * C_, C_, group_.sequence[token / T_]);
}

template class CpuPass<float>;
template class CpuPass<Bf16>;

}  // namespace gpt
