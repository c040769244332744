// Dropout inside other kernels: its arguments for a launch, and its reference.
#pragma once

#include "gpt/kernels/ops/dropout.h"

#include "kernels/cuda/dropout_mask.h"

namespace gpt {

DropoutRows launch_rows(const RowDropout& dropout);

// The same in ATen operators, for an x of (rows, width).
at::Tensor plain_row_dropout(const at::Tensor& x, const RowDropout& dropout);

}  // namespace gpt
