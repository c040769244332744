// LayerNorm (Ba et al. 2016) of a residual stream, with the addition before it and, in backward,
// the addition after it. "Real" is float64 with float64 activations, else float32: the type of
// the stream, of statistics and of parameters.
#pragma once

#include <ATen/core/Tensor.h>

#include "gpt/kernels/ops/dropout.h"
#include "gpt/kernels/ops/layer_norm_epsilon.h"

namespace gpt {

struct NormInput {
  at::Tensor x_NC;            // Real
  at::Tensor branch_NC = {};  // `type`, or undefined: nothing is added
  RowDropout dropout = {};    // of the branch
  at::Tensor weight_C;        // Real
  at::Tensor bias_C = {};     // Real, or undefined
  at::ScalarType type;        // of y
  double epsilon = kLayerNormEpsilon;
};

struct NormOutput {
  at::Tensor sum_NC;          // x + dropout(branch); x itself without a branch
  at::Tensor y_NC;            // (sum - mean) * rstd * weight + bias
  at::Tensor mean_N, rstd_N;  // of each row of sum; Real
};

NormOutput add_layer_norm(const NormInput& in);
NormOutput plain_add_layer_norm(const NormInput& in);

struct NormGradient {
  at::Tensor dy_NC;                 // `type`
  at::Tensor x_NC, mean_N, rstd_N;  // what was normalised, and its statistics
  at::Tensor weight_C;
  at::Tensor dx_NC = {};                    // Real; written, or added to if `accumulate`
  at::Tensor dweight_C = {}, dbias_C = {};  // Real, added to; dbias may be undefined
  bool accumulate = true;
  bool branch = false;  // is dropout(dx), the branch's gradient, wanted?
  RowDropout dropout = {};
};

// Returns the branch's gradient in dy's type, or an undefined tensor.
at::Tensor layer_norm_backward_(const NormGradient& in);
at::Tensor plain_layer_norm_backward_(const NormGradient& in);

}  // namespace gpt
