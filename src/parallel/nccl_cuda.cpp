#define USE_C10D_NCCL  // the wheel has it; its header asks for this
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>

#include "gpt/parallel/join.h"

#include "backend.h"

namespace gpt {

bool has_nccl() {
  return true;
}

// The processes agree by gloo before each collective, and that notices who is lost: NCCL's own
// watchdog, which ends the process without a word of ours, comes later.
Backend make_nccl(const c10::intrusive_ptr<c10d::Store>& store, int rank, int size,
                  const c10::Device& device, std::chrono::milliseconds timeout) {
  auto options = c10d::ProcessGroupNCCL::Options::create();
  options->timeout = 2 * timeout + std::chrono::minutes(1);
  auto backend = c10::make_intrusive<c10d::ProcessGroupNCCL>(store, rank, size, options);
  backend->setBoundDeviceId(device);
  return backend;
}

}  // namespace gpt
