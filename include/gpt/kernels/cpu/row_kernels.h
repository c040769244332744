// The row-wise kernels of the CPU engine, on plain float32 pointers: one source, built once per
// instruction set and chosen when the program runs. Rows are contiguous.
#pragma once

#include <cstdint>
#include <vector>

namespace gpt {

using Bf16 = std::uint16_t;  // the upper half of a float32

// What a kernel leaves for the next GEMM: float32, or bfloat16 rounded to nearest even. One of
// the two pointers is null.
struct Operand {
  float* f32 = nullptr;
  Bf16* bf16 = nullptr;
};

struct AdamWStep {
  float learning_rate, beta1, beta2, weight_decay, epsilon;
  float correction1, correction2_root;  // 1 - beta1^t, sqrt(1 - beta2^t)
  float gradient_scale;                 // multiplies every gradient: the clip factor
};

struct RowKernels {
  const char* name;  // of the instruction set

  // y = (x - mean) / sqrt(variance + kLayerNormEpsilon) * gamma + beta (Ba et al. 2016); beta may
  // be null. stats receives mean and 1/sqrt(...).
  void (*norm)(const float* x, const float* gamma, const float* beta, std::int64_t width,
               float* stats, Operand y);
  // dx += the gradient of norm; dgamma, dbeta (may be null) += their parts. xhat comes from x,
  // stats.
  void (*norm_backward)(const float* dy, const float* x, const float* stats, const float* gamma,
                        std::int64_t width, float* dx, float* dgamma, float* dbeta);

  // y = gelu(u + bias) (Hendrycks and Gimpel 2016); bias may be null. Without u_kept, u becomes the
  // sum; with it, it takes the sum in bfloat16 and y is that of the rounded value, so that it can
  // be had again from u_kept alone: by a null u.
  void (*gelu)(float* u, const float* bias, std::int64_t size, bool tanh, Bf16* u_kept, Operand y);
  // du = dy * gelu'(u), from one of u and u_bf16; may be in place.
  void (*gelu_backward)(const float* dy, const float* u, const Bf16* u_bf16, std::int64_t size,
                        bool tanh, Operand du);

  // p = softmax(scale * s) of the first `size`, with zeros up to `padded`, as bfloat16 into `low`,
  // else in place; returns log sum exp.
  float (*softmax)(float* s, std::int64_t size, std::int64_t padded, float scale, Bf16* low);
  // In place: s -> p = exp(scale * s - lse), dp -> scale * p * (dp - sum of p * dp), both with
  // zeros up to `padded`; what has a bfloat16 row goes there instead, ds with or without p.
  void (*softmax_backward)(float* s, float* dp, std::int64_t size, std::int64_t padded, float scale,
                           float lse, Bf16* p_low, Bf16* ds_low);
  // loss of `target`; logits -> factor * (softmax - onehot), into `d`, unless both are null.
  float (*cross_entropy)(float* logits, std::int64_t size, std::int64_t target, float factor,
                         Operand d);

  void (*add)(float* to, const float* from, std::int64_t size);
  void (*add_bf16)(float* to, const Bf16* from, std::int64_t size);
  void (*add3)(const float* a, const float* b, const float* bias, std::int64_t size, float* sum);
  // Copies; rows lie `stride` apart.
  void (*to_operand)(const float* from, std::int64_t size, Operand to);
  void (*rows_to_operand)(const float* from, std::int64_t from_stride, std::int64_t rows,
                          std::int64_t width, Operand to, std::int64_t to_stride);
  double (*sum_of_squares)(const float* x, std::int64_t size);
  void (*adamw)(float* p, const float* g, float* m, float* v, std::int64_t size, AdamWStep step);
};

// The best set that this CPU has.
const RowKernels& row_kernels();

// All that this CPU can run, the plainest first; for tests.
std::vector<const RowKernels*> runnable_row_kernels();

}  // namespace gpt
