#include "muon_check.h"

#include <vector>

#include <ATen/ATen.h>

#include "gpt/kernels/ops/muon_update.h"

namespace gpt {

namespace {

using Outputs = std::vector<at::Tensor>;

// Five steps of products magnify what their operands were rounded by.
constexpr double kFloatLimit = 1e-4, kBf16Limit = 5e-2;

const MuonRates kRates{
    .learning_rate = 0.02, .weight_decay = 0.1, .momentum = 0.95, .match_rms = true};

// What the iteration makes of a matrix is compared as well: of the weights it is a small part.
Outputs plain_update(const MuonMatrix& matrix, const at::Tensor& factor, c10::ScalarType type) {
  const at::Tensor gradient = matrix.gradient * factor;
  const at::Tensor momentum = matrix.momentum.lerp(gradient, 1 - kRates.momentum);
  const at::Tensor x =
      plain_newton_schulz(gradient.lerp(momentum, kRates.momentum), type).to(at::kFloat);
  const double rate = kRates.learning_rate * kRates.scale(matrix.shape());
  return {x, momentum,
          matrix.parameter * (1 - kRates.learning_rate * kRates.weight_decay) - rate * x};
}

KernelTwins muon_twins(std::int64_t width, const c10::Device& device, c10::ScalarType type) {
  const auto options = at::TensorOptions().device(device).dtype(at::kFloat);
  const std::vector<MatrixShape> shapes{
      {width, width}, {width, width}, {4 * width, width}, {width, 4 * width}};
  std::vector<MuonMatrix> matrices;
  for (const auto& [rows, columns] : shapes) {
    const auto normal = [&, size = std::vector{rows, columns}] {
      return at::empty(size, options).normal_();
    };
    matrices.push_back({.parameter = normal(),
                        .gradient = normal(),
                        .momentum = normal(),
                        .step = at::full({}, 3.0, options)});
  }
  const at::Tensor factor = at::full({}, 0.5, options), skip = at::zeros({}, options);
  const auto ours = [=] {
    std::vector<MuonMatrix> copies;
    Outputs outputs;
    for (const MuonMatrix& matrix : matrices) {
      copies.push_back({matrix.parameter.clone(), matrix.gradient.clone(), matrix.momentum.clone(),
                        matrix.step});
      const MuonMatrix& copy = copies.back();
      outputs.insert(outputs.end(), {copy.gradient, copy.momentum, copy.parameter});
    }
    make_muon_update(shapes, device, type)->run(copies, kRates, factor, skip);
    return outputs;
  };
  const auto plain = [=] {
    Outputs outputs;
    for (const MuonMatrix& matrix : matrices) {
      const Outputs of_matrix = plain_update(matrix, factor, muon_type(device, type));
      outputs.insert(outputs.end(), of_matrix.begin(), of_matrix.end());
    }
    return outputs;
  };
  return {ours, plain};
}

}  // namespace

KernelCheck muon_check(const std::string& name, std::int64_t width, const c10::Device& device,
                       c10::ScalarType type) {
  return {name, muon_type(device, type) == at::kFloat ? kFloatLimit : kBf16Limit,
          [=] { return muon_twins(width, device, type); }};
}

}  // namespace gpt
