// How far results are apart, and how long work takes: on any device, and with one number read back
// of each comparison.
#pragma once

#include <functional>
#include <vector>

#include <ATen/core/Tensor.h>

namespace gpt {

// The largest |actual - expected| / |expected| (Euclidean norms) of the pairs; NaN where a value is
// not finite.
double relative_error(const std::vector<at::Tensor>& actual,
                      const std::vector<at::Tensor>& expected);

// Keeps the device busy for that long: a card that was idle clocks up before it is timed.
void warm_clocks(const at::Device& device, double seconds);

// Milliseconds of one call of each: the least of a few rounds, in which they take turns, so that
// what disturbs the device disturbs all.
std::vector<double> interleaved_times(const std::vector<std::function<void()>>& works,
                                      const at::Device& device);

}  // namespace gpt
