// What a thread does to its own rows of tokens.
#include "cpu_pass.h"
#include "cpu_pass_types.h"

namespace gpt {

template <class X>
void CpuPass<X>::linear(const X* x, std::int64_t in, const CpuWeight& weight, std::int64_t out,
                        float* y) {
  forward_product(rows_.size(), x + rows_.begin * in, in, weight, out, y + rows_.begin * out);
}

template <class X>
void CpuPass<X>::linear_backward(const X* dy, std::int64_t out, const CpuWeight& weight,
                                 std::int64_t in, float* dx) {
  backward_product(rows_.size(), dy + rows_.begin * out, out, weight, in, dx + rows_.begin * in);
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
