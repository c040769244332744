// Gradient norm and AdamW over all parameters of a model at once, by our kernels: one launch each,
// no temporaries, nothing read back.
#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

namespace gpt {

// Float32, contiguous, on one device. `step` is a float32 scalar that counts
// the update at hand.
struct UpdatedParameter {
  at::Tensor parameter, gradient, exp_avg, exp_avg_sq, step;
  double weight_decay = 0;
};

struct UpdateRates {
  double learning_rate, beta1, beta2, epsilon;
};

// Where the tensors lie, cut into pieces of which a block does one. The table is in the device's
// memory and is made again when a tensor has moved.
class ParameterTable {
 public:
  // Are there kernels for these tensors? Otherwise the caller uses ATen's operators.
  static bool usable(const at::Tensor& tensor);

  // Allocates only if the tensors are not those of the last call.
  void set(const std::vector<UpdatedParameter>& parameters);

  // Euclidean norm of all gradients; float32 scalar.
  at::Tensor gradient_norm() const;

  // AdamW (Loshchilov and Hutter 2019, algorithm 2) with every gradient times the scalar `factor`.
  // Where the scalar `skip` is 1, nothing is written.
  void adamw(const UpdateRates& rates, const at::Tensor& factor, const at::Tensor& skip) const;

 private:
  std::vector<std::int64_t> key_;  // addresses and sizes
  at::Tensor pieces_;              // bytes: ParameterPiece
  at::Tensor partial_;             // float64, one sum of squares a piece
  std::int64_t count_ = 0;
};

}  // namespace gpt
