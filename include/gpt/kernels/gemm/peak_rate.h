// How many floating-point operations a second a device can do in GEMMs.
#pragma once

#include <string>

#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

namespace gpt {

// Dense peak of the device in FLOP/s for matmuls of the given type, and how it is known
// ("NVIDIA's table", "measured"). Known GPUs come from a table; the rest, CPUs too, are measured
// with a large GEMM.
struct PeakRate {
  double flops = 0;
  std::string source;
};
PeakRate peak_rate(const c10::Device& device, c10::ScalarType type);
// The same, or what a run has reached where that is more: what it has done the device can do.
PeakRate raised(const PeakRate& peak, double reached);

// Measured always, by the fastest of the matmuls here: on a CPU LibTorch's, oneDNN's and the native
// one.
PeakRate measured_peak(const c10::Device& device, c10::ScalarType type);

}  // namespace gpt
