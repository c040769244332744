// The ways to compute a large product of matrices, for measuring how fast a device is.
#pragma once

#include <functional>
#include <vector>

#include <ATen/core/Tensor.h>

namespace gpt {

// c = a b; c may become a tensor of another type.
using LargeProduct = std::function<void(at::Tensor& c, const at::Tensor& a, const at::Tensor& b)>;

// What this program computes with: LibTorch's own choice, and on the CPU ours
// (gpt/kernels/product_set.h), where there are any; on LibTorch's threads.
std::vector<LargeProduct> products_in_use(const c10::Device& device, c10::ScalarType type);
// On the CPU also oneDNN's, which takes its time to measure.
std::vector<LargeProduct> large_products(const c10::Device& device, c10::ScalarType type);

}  // namespace gpt
