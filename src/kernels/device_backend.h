// The part of device.h that needs the CUDA libraries; device_cuda.cpp or device_nocuda.cpp.
#pragma once

#include "gpt/kernels/device.h"

namespace gpt {

void add_cuda_facts(DeviceFacts& facts, int index);
void synchronize_cuda(int index);
MemoryUse cuda_memory_use(int index);
std::string cuda_device_name(int index);

}  // namespace gpt
