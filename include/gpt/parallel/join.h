// From a launcher's environment to a group of processes.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include <c10/core/Device.h>

#include "gpt/parallel/launcher.h"
#include "gpt/parallel/process_group.h"

namespace gpt {

// Meets the other processes and connects with them by gloo, over the interface that leads to them
// or that GLOO_SOCKET_IFNAME names; where all are on one machine and `shares_memory`, what is on
// the CPU goes through memory instead. Nobody waits for another longer than `timeout`, in any
// method. Error if they do not come, LostProcess from then on.
std::unique_ptr<ProcessGroup> join_processes(const LaunchInfo& info,
                                             std::chrono::milliseconds timeout,
                                             bool shares_memory = true);

// From now on tensors on `device` go through NCCL; InputError if this build has none. For a group
// of join_processes(); with a single process nothing happens.
void use_nccl(ProcessGroup& group, const c10::Device& device);

// Can tensors go through NCCL in this build?
bool has_nccl();

}  // namespace gpt
