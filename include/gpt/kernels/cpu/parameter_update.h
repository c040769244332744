// Gradient norm and AdamW over many tensors at once on the CPU: one call of the threads for all,
// each with as many of the elements; every array is read once and what changes written once.
#pragma once

#include "gpt/kernels/ops/parameter_update.h"

namespace gpt {

// Euclidean norm of all gradients together, summed in float64; float32 scalar. The tensors are
// float32 and contiguous.
at::Tensor cpu_gradient_norm(const std::vector<at::Tensor>& gradients);

// AdamW (Loshchilov and Hutter 2019, algorithm 2) with every gradient times the scalar `factor`;
// undefined: 1. All tensors but the scalars are of one size, float32 and contiguous. Where the
// scalar `skip` is 1, nothing is written. Allocates no tensor.
void cpu_adamw(const std::vector<UpdatedParameter>& parameters, const UpdateRates& rates,
               const at::Tensor& factor, const at::Tensor& skip);

}  // namespace gpt
