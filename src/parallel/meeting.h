// Where the processes of a run find each other: PyTorch's TCPStore, on rank 0 or in the launcher.
#pragma once

#include <chrono>
#include <string>

#include <torch/csrc/distributed/c10d/Store.hpp>

#include "gpt/parallel/launcher.h"

namespace gpt {

struct Meeting {
  c10::intrusive_ptr<c10d::Store> store;  // for what is kept under names
  c10::intrusive_ptr<c10d::Store> alive;  // another connection to it, for a thread of its own
};

// Error that says where it looked, and for whom, if the others are not there within `timeout`.
Meeting meet(const LaunchInfo& info, std::chrono::milliseconds timeout);

}  // namespace gpt
