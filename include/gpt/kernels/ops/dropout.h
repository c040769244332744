// Dropout whose mask is a function of (seed, step, sequence, layer, position), not of a generator's
// history: the same whatever the micro-batches, the ranks or a recomputation.
#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace gpt {

// Which dropout of the model this is; each place has its own stream.
struct DropoutPlace {
  std::int64_t seed = 0;
  std::int64_t step = 0;   // optimizer step
  std::int64_t layer = 0;  // 0-based; -1 for the embedding
  int site = 0;            // 0 attention weights, 1 attention output, 2 MLP output, 3 embedding
  // (1), int64, where the activations are, or undefined. Kernels read the lower 32 bits of the step
  // from it, so that a recorded launch is of the step in which it is replayed. Without autograd.
  at::Tensor step_1 = {};
};

// x: (B, ...) float32, float64, bfloat16 or float16; sequence_B: int64 on the CPU or on x's
// device, each row's index in the effective batch. Returns x with each element zeroed with
// probability p and the rest scaled by 1/(1-p); differentiable in x, and nothing of x's size is
// saved (the mask is made again in backward). p == 0 returns x itself.
at::Tensor keyed_dropout(const at::Tensor& x, double p, const at::Tensor& sequence_B,
                         const DropoutPlace& place);

// Dropout of activations (B*T, width) inside another kernel: as keyed_dropout of (B, T, width).
struct RowDropout {
  double p = 0;                // 0: none
  at::Tensor sequence_B = {};  // int64, where the activations are
  std::int64_t tokens = 1;     // T
  DropoutPlace place = {};
};

// The same on plain float32 elements first .. first+count-1 of one sequence, in place; p > 0.
class SequenceDropout {
 public:
  SequenceDropout(double p, const DropoutPlace& place);
  void operator()(float* x, std::int64_t first, std::int64_t count, std::int64_t sequence) const;

 private:
  std::uint32_t key0_, key1_, threshold_, step_;
  float scale_;
};

// The mask alone, 0 or 1/(1-p), shaped (sequence_B.size(0), elements_per_sequence), float64 on the
// CPU, one element at a time: the reference that tests compare with.
at::Tensor keyed_dropout_mask_reference(double p, const at::Tensor& sequence_B,
                                        std::int64_t elements_per_sequence,
                                        const DropoutPlace& place);

}  // namespace gpt
