// The files of tests/golden: what PyTorch computed, recorded by scripts/bench/make_golden.py.
#pragma once

#include <string>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "gpt/base/files.h"
#include "gpt/model/gpt.h"

namespace gpt::testing {

inline std::string read_golden(const std::string& name) {
  return read_file(std::string(GPT_SOURCE_DIR) + "/tests/golden/" + name);
}

// `golden` below is a parsed part of such a file (nlohmann::json).
//
// A tensor against its recorded fingerprint: shape, sum, norm, first elements, and "probe", the sum
// of element k times cos(k), which notices elements that changed places.
template <class Json>
void expect_fingerprint(const at::Tensor& tensor, const Json& golden, double tolerance) {
  const std::string name = golden.at("name");
  const at::Tensor flat = tensor.detach().to(at::kDouble).flatten();
  EXPECT_EQ(tensor.sizes().vec(), golden.at("shape").template get<std::vector<std::int64_t>>())
      << name;
  const at::Tensor wave = at::arange(flat.numel(), at::kDouble).cos();
  const auto expect = [&](const char* what, const at::Tensor& value) {
    EXPECT_NEAR(value.item<double>(), golden.at(what).template get<double>(), tolerance)
        << name << " " << what;
  };
  if (golden.contains("sum")) expect("sum", flat.sum());
  if (golden.contains("norm")) expect("norm", flat.norm());
  if (golden.contains("probe")) expect("probe", (flat * wave).sum());
  const auto first = golden.at("first").template get<std::vector<double>>();
  for (std::size_t i = 0; i < first.size(); ++i)
    EXPECT_NEAR(flat[static_cast<std::int64_t>(i)].item<double>(), first[i], tolerance)
        << name << " element " << i;
}

template <class Json>
void expect_fingerprints(const ParameterList& parameters, const Json& golden, double tolerance,
                         bool gradients = false) {
  ASSERT_EQ(parameters.size(), golden.size());
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    ASSERT_EQ(parameters[i].name, golden[i].at("name").template get<std::string>());
    const at::Tensor& tensor = parameters[i].tensor;
    expect_fingerprint(gradients ? tensor.grad() : tensor, golden[i], tolerance);
  }
}

}  // namespace gpt::testing
