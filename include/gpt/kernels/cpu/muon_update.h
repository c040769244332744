// Muon's update on the CPU: each thread takes whole matrices, one at a time, from the gradient to
// the weight, so that threads never wait for each other and the bits do not depend on their number.
#pragma once

#include "gpt/kernels/cpu/row_kernels.h"
#include "gpt/kernels/ops/muon_update.h"

namespace gpt {

// Whether a model that computes in `type` has its iteration multiply bfloat16, to which each step
// rounds X and its products: where the CPU has instructions for that. X itself stays float32.
bool cpu_muon_in_bf16(c10::ScalarType type);

std::unique_ptr<MuonUpdate> cpu_muon_update(const std::vector<MatrixShape>& shapes,
                                            c10::ScalarType type);

// Bytes that it holds for so many threads.
std::int64_t cpu_muon_bytes(const std::vector<MatrixShape>& shapes, c10::ScalarType type,
                            int threads);

// Memory for the iteration of any of these matrices, by one thread.
class NewtonSchulzScratch {
 public:
  static std::int64_t bytes(const std::vector<MatrixShape>& shapes, bool bf16);
  // `memory` begins on a cache line.
  NewtonSchulzScratch(const std::vector<MatrixShape>& shapes, bool bf16, void* memory);

  float *gram, *polynomial;                      // two squares over the small side
  float* panel;                                  // a part of the next X
  Bf16 *x_low = nullptr, *square_low = nullptr;  // X and a square, where they are rounded
  void* gemm;                                    // of the native GEMM; null: MKL's
};

// The iteration in place, on the calling thread; `x` is (rows, columns), contiguous.
void cpu_newton_schulz(float* x, MatrixShape shape, const NewtonSchulzScratch& scratch);

}  // namespace gpt
