// Muon's update on the CPU, in float32: each thread takes whole matrices, one at a time, from the
// gradient to the weight, so that threads never wait for each other and the bits do not depend on
// their number.
#pragma once

#include "gpt/kernels/ops/muon_update.h"

namespace gpt {

std::unique_ptr<MuonUpdate> cpu_muon_update(const std::vector<MatrixShape>& shapes);

// Bytes that it holds for so many threads.
std::int64_t cpu_muon_bytes(const std::vector<MatrixShape>& shapes, int threads);

// Memory for the iteration of any of these matrices, by one thread.
class NewtonSchulzScratch {
 public:
  static std::int64_t bytes(const std::vector<MatrixShape>& shapes);
  // `memory` begins on a cache line.
  NewtonSchulzScratch(const std::vector<MatrixShape>& shapes, void* memory);

  float *gram, *polynomial;  // two squares over the small side
  float* panel;              // a part of the next X
  void* gemm;                // of the native GEMM; null: MKL's
};

// The iteration in place, on the calling thread; `x` is (rows, columns), contiguous.
void cpu_newton_schulz(float* x, MatrixShape shape, const NewtonSchulzScratch& scratch);

}  // namespace gpt
