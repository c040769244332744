// What moves tensors between processes: PyTorch's c10d back ends. A back end that this build does
// not have is a missing file.
#pragma once

#include <chrono>
#include <string>

#include <c10/core/Device.h>
#include <torch/csrc/distributed/c10d/Backend.hpp>
#include <torch/csrc/distributed/c10d/Store.hpp>

namespace gpt {

using Backend = c10::intrusive_ptr<c10d::Backend>;

// `address`: of the network interface to use; "" for the one that gloo chooses.
Backend make_gloo(const c10::intrusive_ptr<c10d::Store>& store, int rank, int size,
                  const std::string& address, std::chrono::milliseconds timeout);

// InputError in a build without CUDA.
Backend make_nccl(const c10::intrusive_ptr<c10d::Store>& store, int rank, int size,
                  const c10::Device& device, std::chrono::milliseconds timeout);

}  // namespace gpt
