// AdamW with its moments in the host's memory: they pass through two buffers on the device, so that
// one is filled and emptied while the other is computed with. On the CPU, host to host, the same
// steps run one after the other.
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
  // `buffer`: elements of each moment on the device at once, in two halves.
  StreamedUpdate(const c10::Device& device, std::int64_t buffer);

  // Zeros of the parameter's shape, float32, pinned for transfers where there is a device.
  at::Tensor add_moment(const at::Tensor& parameter) const;

  // The update of a group; exp_avg and exp_avg_sq are made by add_moment. Allocates nothing. The
  // device's current stream has the moments back on the host before it goes on.
  void run(const AdamWTensors& tensors, const AdamWRates& rates, const at::Tensor& skip);

 private:
  // Elements [first, first + count) of a tensor of the group, placed at `at` in the half.
  struct Piece {
    std::size_t tensor;
    std::int64_t first, count, at;
  };
  struct Half {
    at::Tensor exp_avg, exp_avg_sq;  // float32, on the device
    std::optional<c10::Event> filled, computed, emptied;
  };

  void fill(Half& half, const std::vector<Piece>& pieces, const AdamWTensors& tensors);
  void compute(Half& half, const std::vector<Piece>& pieces, const AdamWTensors& tensors,
               const AdamWRates& rates, const at::Tensor& skip);
  void empty(Half& half, const std::vector<Piece>& pieces, const AdamWTensors& tensors);
  void finish();
  std::optional<c10::Stream> current() const;

  c10::Device device_;
  std::int64_t half_elements_;
  Half halves_[2];
  std::optional<c10::Stream> in_, out_;  // of transfers; these and all events: none on the CPU
  std::optional<c10::Event> started_;
};

}  // namespace gpt
