// An update of tensors that live in the host's memory: they pass through two buffers on the device,
// so that one is filled and emptied while the other is computed with. On the CPU, host to host, the
// same steps run one after the other.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include <ATen/core/Tensor.h>
#include <c10/core/Event.h>
#include <c10/core/Stream.h>

#include "fused_adamw.h"

namespace gpt {

class StreamedUpdate {
 public:
  // Pieces begin at multiples of this, in their tensors and in the buffer: an operator's vector
  // loops then take the same elements as they do in a whole tensor, and the bits are the same.
  static constexpr std::int64_t kUnit = 64;

  // Elements [first, first + count) of tensor number `tensor`, placed at `at` in the buffer.
  struct Piece {
    std::size_t tensor;
    std::int64_t first, count, at;
    at::Tensor of(const at::Tensor& whole) const;  // flat
    at::Tensor in(const at::Tensor& buffer) const;
  };
  // What is on the device at a time.
  using Round = std::vector<Piece>;
  // The tensors that pass through, of each kind one list: moments, and weights perhaps.
  using Kinds = std::vector<std::vector<at::Tensor>>;
  // Updates the pieces of a round in the buffers, one a kind.
  using Compute = std::function<void(const Round& round, const std::vector<at::Tensor>& buffers)>;

  // `elements` of each kind in a round, of which two are on the device.
  StreamedUpdate(const c10::Device& device, std::int64_t elements, std::size_t kinds);
  std::size_t kinds() const { return halves_[0].buffers.size(); }

  // Rounds of whatever pieces fill the buffer.
  std::vector<Round> rounds_of(const std::vector<at::Tensor>& tensors) const;

  // Adds elements [first, first + count) of a tensor, at most as many as a round has, as one piece.
  void append_whole(std::size_t tensor, std::int64_t first, std::int64_t count,
                    std::vector<Round>& rounds) const;

  // The lists hold contiguous tensors, one for each that the pieces name. Allocates nothing. The
  // device's current stream has all of it back on the host before it continues; with `wait`, so has
  // the caller.
  void run(const Kinds& kinds, const std::vector<Round>& rounds, bool wait, const Compute& compute);

 private:
  struct Half {
    std::vector<at::Tensor> buffers;  // float32, on the device
    std::optional<c10::Event> filled, computed, emptied;
  };

  // Copies to the host where `home` is true, else to the device.
  static void copy(const Half& half, const Round& round, const Kinds& kinds, bool home);
  void fill(Half& half, const Round& round, const Kinds& kinds);
  void empty(Half& half, const Round& round, const Kinds& kinds);
  std::optional<c10::Stream> current() const;

  c10::Device device_;
  std::int64_t elements_;
  Half halves_[2];
  std::optional<c10::Stream> in_, out_;  // of transfers; these and all events: none on the CPU
  std::optional<c10::Event> started_;
};

// AdamW of a group whose moments, and with a third kind whose weights, pass through.
void stream_adamw(StreamedUpdate& streamed, const AdamWTensors& tensors, const AdamWRates& rates,
                  const at::Tensor& factor, const at::Tensor& skip);

}  // namespace gpt
