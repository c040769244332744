// The row-wise arithmetic of the CPU engine on plain float32 pointers, vectorised by the compiler:
// one source, built once per instruction set, picked when the program runs. Rows are contiguous.
#pragma once

#include <cstdint>
#include <vector>

namespace gpt {

using Bf16 = std::uint16_t;  // the upper half of a float32

// What a kernel leaves for the next product: float32, or bfloat16 rounded to nearest even. One of
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

struct VectorKernels {
  const char* name;  // of the instruction set

  // y = (x - mean) / sqrt(variance + 1e-5) * gamma + beta (Ba et al. 2016); beta may be null.
  // stats receives mean and 1/sqrt(...).
  void (*norm)(const float* x, const float* gamma, const float* beta, std::int64_t width,
               float* stats, Operand y);
  // dx += the gradient of norm; dgamma, dbeta (may be null) += their parts. xhat comes from x,
  // stats.
  void (*norm_backward)(const float* dy, const float* x, const float* stats, const float* gamma,
                        std::int64_t width, float* dx, float* dgamma, float* dbeta);

  // u (in place: + bias, which may be null) -> y = gelu(u) (Hendrycks and Gimpel 2016). If u_kept
  // is bfloat16, y is that of the rounded value, so that it can be had again from u_kept alone: by
  // a null u.
  void (*gelu)(float* u, const float* bias, std::int64_t size, bool tanh, Operand u_kept,
               Operand y);
  // dy *= gelu'(u)
  void (*gelu_backward)(float* dy, const float* u, const Bf16* u_bf16, std::int64_t size, bool tanh,
                        Operand du);

  // In place: p = softmax(scale * s) of the first `size`; returns log sum exp.
  float (*softmax)(float* s, std::int64_t size, float scale);
  // In place: s -> exp(scale * s - lse).
  void (*softmax_again)(float* s, std::int64_t size, float scale, float lse);
  // In place: dp -> scale * p * (dp - delta).
  void (*softmax_backward)(float* dp, const float* p, std::int64_t size, float scale, float delta);
  // loss of `target`; logits -> factor * (softmax - onehot), into `d`, unless both are null.
  float (*cross_entropy)(float* logits, std::int64_t size, std::int64_t target, float factor,
                         Operand d);

  float (*dot)(const float* a, const float* b, std::int64_t size);
  void (*add)(float* to, const float* from, std::int64_t size);
  void (*add_bf16)(float* to, const Bf16* from, std::int64_t size);
  void (*add3)(const float* a, const float* b, const float* bias, std::int64_t size, float* sum);
  void (*to_operand)(const float* from, std::int64_t size, Operand to);  // copies
  double (*sum_of_squares)(const float* x, std::int64_t size);
  void (*adamw)(float* p, const float* g, float* m, float* v, std::int64_t size, AdamWStep step);
};

// The best set that this CPU has.
const VectorKernels& vector_kernels();

// All that this CPU can run, the plainest first; for tests.
std::vector<const VectorKernels*> runnable_vector_kernels();

}  // namespace gpt
