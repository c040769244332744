// How far apart two tensors are, for messages that say so.
#pragma once

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <gtest/gtest.h>

namespace gpt::testing {

// max |a - b| / max(1, max |b|), in float64; NaN anywhere gives NaN, which is near nothing.
inline double distance(const at::Tensor& a, const at::Tensor& b) {
  if (a.sizes() != b.sizes()) return std::numeric_limits<double>::infinity();
  if (a.numel() == 0) return 0;
  const at::Tensor x = a.detach().to(at::kDouble), y = b.detach().to(at::kDouble);
  const double scale = std::max(1.0, y.abs().max().item<double>());
  return (x - y).abs().max().item<double>() / scale;
}

inline ::testing::AssertionResult near(const at::Tensor& a, const at::Tensor& b, double tolerance) {
  const double d = distance(a, b);
  if (d <= tolerance) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << "distance " << d << " > " << tolerance;
}

inline at::Generator generator(std::uint64_t seed) {
  return at::detail::createCPUGenerator(seed);
}

}  // namespace gpt::testing
