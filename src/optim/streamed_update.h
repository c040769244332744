// AdamW with its moments, and the weights if asked to, in the host's memory: they pass through two
// buffers on the device, so that one is filled and emptied while the other is computed with. On the
// CPU, host to host, the same steps run one after the other.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include <ATen/core/Tensor.h>
#include <c10/core/Event.h>
#include <c10/core/Stream.h>

#include "fused_adamw.h"

namespace gpt {

class StreamedUpdate {
 public:
  // `buffer`: elements of each moment on the device at once, in two halves. `weights`: parameters
  // pass through as well, wherever they are.
  StreamedUpdate(const c10::Device& device, std::int64_t buffer, bool weights);

  // Zeros of the parameter's shape, float32, pinned for transfers where there is a device.
  at::Tensor add_moment(const at::Tensor& parameter) const;

  // The update of a group; exp_avg and exp_avg_sq are made by add_moment. Allocates nothing. The
  // device's current stream has the moments back on the host before it continues; so has the caller
  // the weights, which are read without asking the device.
  void run(const AdamWTensors& tensors, const AdamWRates& rates, const at::Tensor& factor,
           const at::Tensor& skip);

 private:
  // Elements [first, first + count) of a tensor of the group, placed at `at` in the half.
  struct Piece {
    std::size_t tensor;
    std::int64_t first, count, at;
  };
  struct Half {
    at::Tensor exp_avg, exp_avg_sq, parameter;  // float32, on the device; the last one if asked to
    std::optional<c10::Event> filled, computed, emptied;
  };

  // Copies to the host where `home` is true, else to the device.
  void copy(const Half& half, const std::vector<Piece>& pieces, const AdamWTensors& tensors,
            bool home) const;
  void fill(Half& half, const std::vector<Piece>& pieces, const AdamWTensors& tensors);
  void compute(Half& half, const std::vector<Piece>& pieces, const AdamWTensors& tensors,
               const AdamWRates& rates, const at::Tensor& factor, const at::Tensor& skip);
  void empty(Half& half, const std::vector<Piece>& pieces, const AdamWTensors& tensors);
  void finish();
  std::optional<c10::Stream> current() const;

  c10::Device device_;
  std::int64_t half_elements_;
  bool weights_;
  Half halves_[2];
  std::optional<c10::Stream> in_, out_;  // of transfers; these and all events: none on the CPU
  std::optional<c10::Event> started_;
};

}  // namespace gpt
