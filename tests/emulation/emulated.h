// Kernels on CPU tensors.
#pragma once

#include <functional>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "cuda_runtime.h"
#include "support/tensor_near.h"
#include "support/without_onednn.h"

namespace gpt::testing {

// While it lives, the functions of kernels/ launch their kernels on the emulation instead of taking
// the plain path. LibTorch's own functions leave oneDNN alone meanwhile: a GPU has none.
class Emulated {
 public:
  Emulated();
  ~Emulated();
  Emulated(const Emulated&) = delete;
  Emulated& operator=(const Emulated&) = delete;

 private:
  const WithoutOneDnn without_onednn_;
};

extern int graph_replays;
extern bool refuse_graphs;  // every recording fails

// Runs `run` in both orders of threads and blocks. Both must give the same bits, or a barrier is
// missing; the result is that of the first.
template <class Run>
std::vector<at::Tensor> emulate(const Run& run) {
  const Emulated emulated;
  const std::int64_t before = emulation::counts().launches;
  emulation::set_order(emulation::Order::kForward);
  const std::vector<at::Tensor> first = run();
  EXPECT_GT(emulation::counts().launches, before) << "no kernel was launched";
  emulation::set_order(emulation::Order::kBackward);
  const std::vector<at::Tensor> second = run();
  emulation::set_order(emulation::Order::kForward);
  for (std::size_t i = 0; i < first.size(); ++i)
    EXPECT_TRUE(!first[i].defined() ||
                at::equal(first[i].nan_to_num(12345), second[i].nan_to_num(12345)))
        << "output " << i << " depends on the order of the threads";
  return first;
}

// How far rounding to a type may take a result of size 1.
inline double rounding(at::ScalarType type) {
  switch (type) {
    case at::kDouble:
      return 1e-13;
    case at::kFloat:
      return 3e-6;
    case at::kHalf:
      return 2e-3;
    default:
      return 1.6e-2;
  }
}

inline constexpr at::ScalarType kTypes[] = {at::kDouble, at::kFloat, at::kBFloat16, at::kHalf};

}  // namespace gpt::testing
