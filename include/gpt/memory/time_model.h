// How long a step takes by a simple model: arithmetic and memory traffic against the device's
// rates. It ranks plans; it is no forecast.
#pragma once

#include <string>

#include "gpt/config/plan.h"
#include "gpt/device/gpu_table.h"
#include "gpt/memory/workload.h"

namespace gpt {

struct DeviceRates {
  std::string name;
  double flops = 0;           // FLOP/s of matmuls, in the compute type
  double bytes = 0;           // B/s of the device's memory
  double host_bytes = 0;      // B/s to the host and back, each way
  double launch_seconds = 0;  // of one kernel
  int units = 1;              // multiprocessors or cores: small matmuls leave some idle
};

// From the table of GPUs; the CPU's from its cores alone.
DeviceRates cpu_rates(int cores);
DeviceRates gpu_rates(const GpuFacts& gpu);
DeviceRates gpu_rates(const std::string& name);  // of planned_gpu(name)
// As asked_gpu; InputError if it is unknown.
GpuFacts planned_gpu(const std::string& name);

// Seconds of one optimizer step, all pieces.
double step_seconds(const Workload& workload, const Plan& plan, const DeviceRates& rates);
// Of which Muon's iteration takes so much, once a step, however large that is; 0 without Muon.
double muon_seconds(const Workload& workload, const DeviceRates& rates);

}  // namespace gpt
