// One pass of a group of sequences through the model, by a thread group: one thread, or several
// that wait for each other at barriers. Each computes its partition of the tokens' rows in forward
// and for the gradients of activations, and of the weights' rows for the gradients of weights.
#pragma once

#include <cstdint>

#include "gpt/device/thread_group.h"
#include "gpt/model/dropout_state.h"
#include "gpt/model/layers.h"

#include "cpu_buffers.h"
#include "cpu_weights.h"
#include "weight_blocks.h"

namespace gpt {

// The sequences of a group and what is wanted of them.
struct Group {
  const std::int64_t *x, *y;               // tokens and targets, (sequences, T)
  const std::int64_t* sequence;            // dropout's index of each; null without dropout
  float* loss;                             // of each token
  std::int64_t sequences = 0, tokens = 0;  // tokens: sequences * T
  float factor = 0;                        // of a token's gradient
};

struct CpuModel {
  CpuShape shape;
  bool tanh_gelu = false;
  const CpuWeights* weights = nullptr;
  DropoutState dropout;
  std::int64_t document_end = -1;  // the token that attention does not cross; -1: none
};

// What differs between float32 and bfloat16 GEMMs.
inline Operand operand(float* to) {
  return {.f32 = to};
}
inline Operand operand(Bf16* to) {
  return {.bf16 = to};
}

template <class X>
const X* matrix_of(const CpuWeight& weight) {
  if constexpr (std::is_same_v<X, float>)
    return weight.f32;
  else
    return weight.bf16;
}

template <class X>
constexpr bool kLow = !std::is_same_v<X, float>;

template <class X>
class CpuPass {
 public:
  // matrices, vectors: where this thread adds gradients, at CpuWeight::gradient; null if none are
  // wanted.
  CpuPass(const CpuModel& model, const CpuBuffers<X>& buffers, const Group& group,
          ThreadGroup threads, float* matrices, float* vectors);

  void forward();   // up to the last LayerNorm
  void head();      // the losses, and with gradients that of the last LayerNorm's output
  void backward();  // the rest of the gradients

 private:
  using Layer = LayerBuffers<X>;

  void embed();
  void attention_branch(std::int64_t index);  // from the block's input to middle
  void mlp_hidden(std::int64_t index);        // from middle to GELU's output
  void mlp_output(std::int64_t index);
  // Computes what the recompute level has dropped of a layer.
  void again(std::int64_t index);
  void head_chunk(std::int64_t begin, std::int64_t end);
  void mlp_backward(std::int64_t index);
  void attention_backward_of(std::int64_t index);
  void embed_backward();

  // Of tokens [begin, end) of a sequence, which are all that they attend to.
  AttentionHead<X> attention_head(std::int64_t index, std::int64_t unit, Partition tokens) const;
  // The document of a sequence that begins there: up to the next end token, included.
  Partition document(std::int64_t sequence, std::int64_t begin) const;
  const X* attention_dy() const;
  // Runs one of the two kernels of kernels/cpu/attention.h, for this thread's partition of the
  // heads of all sequences.
  using AttentionKernel = void (*)(const AttentionHead<X>& head, float* workspace);
  void attend(std::int64_t index, AttentionKernel kernel);
  // sum = x + dropout(branch + bias) in this thread's rows.
  void residual(const float* x, float* branch, const CpuWeight& bias, std::int64_t layer, int site,
                float* sum);
  void norm(const float* x, const CpuWeight& gamma, const CpuWeight& beta, float* stats, X* y);
  void norm_backward(const float* x, const CpuWeight& gamma, const CpuWeight& beta,
                     const float* stats);
  // The gradient of a branch's last product, whose bias gets its part.
  const X* branch_gradient(std::int64_t layer, int site, const CpuWeight& bias);
  void bias_gradient(const CpuWeight& bias, const X* dy, std::int64_t width);
  // weight (rows, columns): += dy^T x over all tokens.
  void weight_gradient(const CpuWeight& weight, std::int64_t rows, std::int64_t columns,
                       const X* dy, const X* x);
  // GEMMs of `rows` rows, those of this thread, with a weight (out, in): y = x w^T and dx = dy w.
  // All threads of the group call the same ones, since they may pack the weight together
  // (weight_blocks.h).
  void forward_gemm(std::int64_t rows, const X* x, std::int64_t in, const CpuWeight& weight,
                    std::int64_t out, float* y);
  void backward_gemm(std::int64_t rows, const X* dy, std::int64_t out, const CpuWeight& weight,
                     std::int64_t in, float* dx);
  // Either of them: c = a times the weight, a matrix B that may be kept packed. Rows of a and c
  // follow each other.
  void weight_gemm(GemmShape size, const X* a, GemmOperand<X> weight, const unsigned char* kept,
                   float* c);
  const unsigned char* pack_together(const WeightBlock& block, GemmOperand<X> weight);
  void linear(const X* x, std::int64_t in, const CpuWeight& weight, std::int64_t out, float* y);
  void linear_backward(const X* dy, std::int64_t out, const CpuWeight& weight, std::int64_t in,
                       float* dx);
  void drop(float* row, std::int64_t token, std::int64_t layer, int site) const;

  const Layer& layer(std::int64_t index) const {
    return buffers_.layer[static_cast<std::size_t>(index)];
  }
  const CpuLayerWeights& weights(std::int64_t index) const {
    return model_.weights->layers[static_cast<std::size_t>(index)];
  }
  float* output_of(std::int64_t index) const;  // the residual stream after block `index`
  bool drops() const { return group_.sequence != nullptr; }

  const CpuModel& model_;
  const CpuBuffers<X>& buffers_;
  const Group& group_;
  ThreadGroup threads_;
  float *matrices_, *vectors_;
  const RowKernels& row_kernels_;
  const std::int64_t C_, T_;
  const Partition rows_;  // of tokens, this thread's
  std::size_t turn_ = 0;  // which of the two blocks was packed last
};

extern template class CpuPass<float>;
extern template class CpuPass<Bf16>;

}  // namespace gpt
