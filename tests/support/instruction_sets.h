// What gemm_test.cpp and row_kernels_test.cpp test in the binary that they are in: what this
// CPU can run (kernels_test), or what it cannot, emulated (emulation_test).
#pragma once

#include <vector>

#include "gpt/kernels/cpu/row_kernels.h"
#include "gpt/kernels/gemm/gemm_backend.h"

namespace gpt::testing {

extern const bool kEmulatedInstructions;

// Null: MKL's GEMM.
std::vector<const GemmBackend*> gemm_ways();
std::vector<const RowKernels*> row_kernel_ways();

}  // namespace gpt::testing
