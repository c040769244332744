// The backward pass: block_backward turns dx_NC, the gradient of a block's output, into that of its
// input, and adds to the weights' gradients on the way.
#include <algorithm>

#include "gpt/base/profile_range.h"

#include "cpu_pass.h"

namespace gpt {

template <class X>
void CpuPass<X>::backward() {
  const ProfileRange range("backward");
  std::fill(buffers_.dx_NC + rows_.begin * C_, buffers_.dx_NC + rows_.end * C_, 0.0f);
  norm_backward(buffers_.x_NC, model_.weights->norm_f, model_.weights->norm_f_bias,
                buffers_.stats_N2);
  for (std::int64_t index = model_.shape.layers; index-- > 0;) {
    // Of the last layer, what is dropped is still there.
    if (index + 1 < model_.shape.layers) again(index);
    mlp_backward(index);
    attention_backward_of(index);
  }
  embed_backward();
}

template <class X>
void CpuPass<X>::again(std::int64_t index) {
  const Recompute level = model_.shape.recompute;
  if (level == Recompute::kNone) return;
  const Layer& l = layer(index);
  const CpuLayerWeights& w = weights(index);
  threads_.wait();  // others may still read the layer above, which was in the same place
  if (level == Recompute::kBlock) attention_branch(index);
  if (level >= Recompute::kMlp) mlp_hidden(index);
  if (level == Recompute::kNorm) norm(l.middle_NC, w.norm2, w.norm2_bias, l.stats2_N2, l.norm2_NC);
  if (level == Recompute::kNorm || level == Recompute::kMlp)
    norm(l.x_NC, w.norm1, w.norm1_bias, l.stats1_N2, l.norm1_NC);
  if (level >= Recompute::kMlp) return;
  const std::int64_t at = rows_.begin * 4 * C_, size = rows_.size() * 4 * C_;
  if constexpr (kLow<X>)
    row_kernels_.gelu(nullptr, nullptr, size, model_.tanh_gelu, l.fc_N4C + at,
                      operand(l.gelu_N4C + at));
  else
    row_kernels_.gelu(l.fc_N4C + at, nullptr, size, model_.tanh_gelu, nullptr,
                      operand(l.gelu_N4C + at));
}

// Others read this thread's rows of dy in weight_gradient, hence the barriers: rows are complete
// before it, and not written again before the next one.
template <class X>
void CpuPass<X>::mlp_backward(std::int64_t index) {
  const Layer& l = layer(index);
  const CpuLayerWeights& w = weights(index);
  const X* dy_NC = branch_gradient(index, kMlpOutput, w.proj2_bias);
  threads_.wait();
  weight_gradient(w.proj2, C_, 4 * C_, dy_NC, l.gelu_N4C);
  linear_backward(dy_NC, C_, w.proj2, 4 * C_, buffers_.wide_N4C);
  for (std::int64_t row = rows_.begin; row < rows_.end; ++row) {
    const std::int64_t at = row * 4 * C_;
    const float* fc = nullptr;
    const Bf16* fc_low = nullptr;
    if constexpr (kLow<X>)
      fc_low = l.fc_N4C + at;
    else
      fc = l.fc_N4C + at;
    row_kernels_.gelu_backward(buffers_.wide_N4C + at, fc, fc_low, 4 * C_, model_.tanh_gelu,
                               operand(buffers_.low_wide_N4C + at));
  }
  bias_gradient(w.fc_bias, buffers_.low_wide_N4C, 4 * C_);
  threads_.wait();
  weight_gradient(w.fc, 4 * C_, C_, buffers_.low_wide_N4C, l.norm2_NC);
  linear_backward(buffers_.low_wide_N4C, 4 * C_, w.fc, C_, buffers_.narrow_NC);
  norm_backward(l.middle_NC, w.norm2, w.norm2_bias, l.stats2_N2);
}

template <class X>
void CpuPass<X>::attention_backward_of(std::int64_t index) {
  const Layer& l = layer(index);
  const CpuLayerWeights& w = weights(index);
  const X* dy_NC = branch_gradient(index, kAttentionOutput, w.proj_bias);
  threads_.wait();
  weight_gradient(w.proj, C_, C_, dy_NC, l.attention_NC);
  linear_backward(dy_NC, C_, w.proj, C_, buffers_.narrow_NC);
  threads_.wait();
  if constexpr (kLow<X>) {
    row_kernels_.to_operand(buffers_.narrow_NC + rows_.begin * C_, rows_.size() * C_,
                            operand(buffers_.low_NC + rows_.begin * C_));
    threads_.wait();
  }
  attend(index, attention_backward<X>);
  threads_.wait();
  bias_gradient(w.qkv_bias, buffers_.low_wide_N4C, 3 * C_);
  weight_gradient(w.qkv, 3 * C_, C_, buffers_.low_wide_N4C, l.norm1_NC);
  linear_backward(buffers_.low_wide_N4C, 3 * C_, w.qkv, C_, buffers_.narrow_NC);
  norm_backward(l.x_NC, w.norm1, w.norm1_bias, l.stats1_N2);
}

// Each thread adds to columns of its own: several tokens may be the same.
template <class X>
void CpuPass<X>::embed_backward() {
  for (std::int64_t token = rows_.begin; drops() && token < rows_.end; ++token)
    drop(buffers_.dx_NC + token * C_, token, /*layer=*/-1, kEmbedding);
  threads_.wait();
  const auto columns = threads_.partition(C_);
  float* wte = matrices_ + model_.weights->wte.gradient + columns.begin;
  float* wpe = matrices_ + model_.weights->wpe.gradient + columns.begin;
  for (std::int64_t token = 0; token < group_.tokens; ++token) {
    const float* row = buffers_.dx_NC + token * C_ + columns.begin;
    row_kernels_.add(wte + group_.x[token] * C_, row, columns.size());
    row_kernels_.add(wpe + token % T_ * C_, row, columns.size());
  }
  threads_.wait();
}

template <class X>
const X* CpuPass<X>::branch_gradient(std::int64_t index, int site, const CpuWeight& bias) {
  const bool as_it_is = !kLow<X> && !drops();
  for (std::int64_t token = rows_.begin; token < rows_.end; ++token) {
    float* row = buffers_.dx_NC + token * C_;
    if (drops()) {
      float* dropped = buffers_.narrow_NC + token * C_;
      std::copy_n(row, C_, dropped);
      drop(dropped, token, index, site);
      row = dropped;
    }
    if (bias.f32) row_kernels_.add(vectors_ + bias.gradient, row, C_);
    if (!as_it_is) row_kernels_.to_operand(row, C_, operand(buffers_.low_NC + token * C_));
  }
  if constexpr (!kLow<X>)
    if (as_it_is) return buffers_.dx_NC;
  return buffers_.low_NC;
}

template <class X>
void CpuPass<X>::bias_gradient(const CpuWeight& bias, const X* dy, std::int64_t width) {
  if (!bias.f32) return;
  float* sum = vectors_ + bias.gradient;
  for (std::int64_t row = rows_.begin; row < rows_.end; ++row) {
    if constexpr (kLow<X>)
      row_kernels_.add_bf16(sum, dy + row * width, width);
    else
      row_kernels_.add(sum, dy + row * width, width);
  }
}

template <class X>
void CpuPass<X>::weight_gradient(const CpuWeight& weight, std::int64_t rows, std::int64_t columns,
                                 const X* dy, const X* x) {
  // Shares of the longer side: a product is the faster the squarer it is.
  const bool by_rows = rows >= columns;
  const Partition row = by_rows ? threads_.partition(rows) : Partition{0, rows};
  const Partition column = by_rows ? Partition{0, columns} : threads_.partition(columns);
  gemm_tn({row.size(), column.size(), group_.tokens}, Matrix<const X>{dy + row.begin, rows},
          Matrix<const X>{x + column.begin, columns},
          {matrices_ + weight.gradient + row.begin * columns + column.begin, columns}, Into::kAdd);
}

template class CpuPass<float>;
template class CpuPass<Bf16>;

}  // namespace gpt
