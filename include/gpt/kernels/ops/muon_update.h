// Muon's update (Jordan et al. 2024): a matrix moves by the orthogonal factor of its momentum,
// which five steps of a Newton-Schulz iteration approximate. Momentum, iteration and scale are
// those of torch.optim.Muon.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

#include <ATen/core/Tensor.h>

namespace gpt {

// One step takes X to a X + b (X X^T) X + c (X X^T)^2 X, which brings every singular value closer
// to one; the first X has the Frobenius norm 1.
struct NewtonSchulz {
  static constexpr double a = 3.4445, b = -4.7750, c = 2.0315;
  static constexpr double kEpsilon = 1e-7;  // of the norm that is divided by
  static constexpr int kSteps = 5;
};

struct MatrixShape {
  std::int64_t rows, columns;

  std::int64_t elements() const { return rows * columns; }
  std::int64_t small() const { return std::min(rows, columns); }
  std::int64_t large() const { return std::max(rows, columns); }
  bool operator==(const MatrixShape&) const = default;
  // Of the iteration: three products of a matrix with one of the small side, of which the
  // symmetric ones count whole.
  double flops() const;
};

// The iteration in ATen operators, computed in `type`; u and the result are (rows, columns). The
// reference of all others.
at::Tensor plain_newton_schulz(const at::Tensor& u, c10::ScalarType type);

// (rows, columns), float32, contiguous. `step` is a float32 scalar that counts the update at hand.
struct MuonMatrix {
  at::Tensor parameter, gradient, momentum, step;

  MatrixShape shape() const { return {parameter.size(0), parameter.size(1)}; }
};

struct MuonRates {
  double learning_rate, weight_decay, momentum;
  // Updates over which the momentum rises to the above; 0: it is there from the first.
  std::int64_t momentum_warmup = 0;
  bool match_rms = true;

  // Of update number `step`, counted from 1.
  double momentum_at(double step) const;
  // What the learning rate is multiplied with for a matrix of this shape: 0.2 sqrt(max(rows,
  // columns)), at which an update is as large as AdamW's usually is (Liu et al. 2025), or sqrt(max(
  // 1, rows / columns)).
  double scale(MatrixShape shape) const;
};

inline constexpr double kFirstMuonMomentum = 0.85;  // where the warm-up begins

class MuonUpdate {
 public:
  virtual ~MuonUpdate() = default;

  // Updates the matrices, of which all have made as many updates, with every gradient times the
  // scalar `factor` if that is defined. The gradients are used up. Where the float32 scalar `skip`
  // is 1, neither weights nor momentum are written. Allocates nothing that outlives it.
  virtual void run(const std::vector<MuonMatrix>& matrices, const MuonRates& rates,
                   const at::Tensor& factor, const at::Tensor& skip) = 0;
};

// What make_muon_update iterates in there for a model that computes in `type`: bfloat16 on a GPU
// that has it and was not found wrong (device_choices.h), on a CPU with such instructions where the
// model is in it, too; else float32.
c10::ScalarType muon_type(const c10::Device& device, c10::ScalarType type);

// For any of these matrices at a time, with all the memory that it takes. On the CPU that is
// cpu_muon_update().
std::unique_ptr<MuonUpdate> make_muon_update(const std::vector<MatrixShape>& shapes,
                                             const c10::Device& device, c10::ScalarType type);

// In batched products of ATen's, iterating in `type`, on any device.
std::unique_ptr<MuonUpdate> tensor_muon_update(const std::vector<MatrixShape>& shapes,
                                               const c10::Device& device, c10::ScalarType type);
// Elements of `type` that it holds.
std::int64_t tensor_muon_elements(const std::vector<MatrixShape>& shapes);

// Which of `workers` takes each of some things that cost so much: the costliest first, each to who
// has least to do.
std::vector<int> dealt_by_cost(const std::vector<double>& costs, int workers);

}  // namespace gpt
