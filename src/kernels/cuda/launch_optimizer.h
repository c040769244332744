// Launch functions over all parameters at once; float32. Included by launch.h.
#pragma once

#include <cstdint>

namespace gpt {

// A piece of a tensor: what one block does.
struct ParameterPiece {
  float *parameter, *exp_avg, *exp_avg_sq;
  const float* gradient;
  const float* step;  // counts this update
  std::int64_t count;
  float weight_decay;
};

// partial[i] = sum of gradient^2 over piece i.
struct SquareSumsLaunch {
  const ParameterPiece* pieces;  // device memory
  double* partial;
  std::int64_t count;
};
int launch_square_sums(const SquareSumsLaunch& args, void* stream);

// AdamW with the gradient times *factor. Nothing is written where *skip is 1.
struct AdamWLaunch {
  const ParameterPiece* pieces;  // device memory
  const float *factor, *skip;
  std::int64_t count;
  double learning_rate, beta1, beta2, epsilon;
};
int launch_adamw(const AdamWLaunch& args, void* stream);

}  // namespace gpt
