#include "streamed_update.h"

#include <algorithm>

#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include "gpt/device/device.h"
#include "gpt/device/memory.h"

namespace gpt {

namespace {

// Pieces begin at multiples of this, in their tensors and in the buffer: the operator's vector
// loops then take the same elements as they do in a whole tensor, and the bits are the same.
constexpr std::int64_t kUnit = 64;

std::int64_t rounded_up(std::int64_t count) {
  return (count + kUnit - 1) / kUnit * kUnit;
}

c10::impl::VirtualGuardImpl device_of(const c10::Device& device) {
  return c10::impl::VirtualGuardImpl(device.type());
}

at::Tensor part(const at::Tensor& tensor, std::int64_t first, std::int64_t count) {
  return tensor.view({-1}).narrow(0, first, count);
}

// `stream` continues when all that `event` was recorded after is done; at once if it never was.
void wait(const std::optional<c10::Event>& event, const std::optional<c10::Stream>& stream) {
  if (stream) event->block(*stream);
}

void record(std::optional<c10::Event>& event, const std::optional<c10::Stream>& stream) {
  if (stream) event->record(*stream);
}

}  // namespace

StreamedUpdate::StreamedUpdate(const c10::Device& device, std::int64_t buffer, bool weights)
    : device_(device),
      half_elements_(rounded_up(std::max<std::int64_t>(buffer / 2, 1))),
      weights_(weights) {
  const auto options = at::TensorOptions().device(device).dtype(at::kFloat);
  const bool streams = !device.is_cpu();
  for (Half& half : halves_) {
    half.exp_avg = at::empty({half_elements_}, options);
    half.exp_avg_sq = at::empty({half_elements_}, options);
    if (weights) half.parameter = at::empty({half_elements_}, options);
    if (!streams) continue;
    half.filled.emplace(device.type());
    half.computed.emplace(device.type());
    half.emptied.emplace(device.type());
  }
  if (!streams) return;
  in_ = device_of(device).getStreamFromGlobalPool(device);
  out_ = device_of(device).getStreamFromGlobalPool(device);
  started_.emplace(device.type());
}

at::Tensor StreamedUpdate::add_moment(const at::Tensor& parameter) const {
  return host_zeros(parameter.sizes(), device_);
}

void StreamedUpdate::run(const AdamWTensors& tensors, const AdamWRates& rates,
                         const at::Tensor& factor, const at::Tensor& skip) {
  std::vector<std::vector<Piece>> rounds(1);
  std::int64_t used = 0;
  for (std::size_t i = 0; i < tensors.parameter.size(); ++i) {
    const std::int64_t size = tensors.parameter[i].numel();
    TORCH_CHECK(tensors.parameter[i].is_contiguous() && tensors.gradient[i].is_contiguous(),
                "AdamW: contiguous parameters and gradients are needed");
    for (std::int64_t first = 0; first < size;) {
      if (used == half_elements_) {
        rounds.emplace_back();
        used = 0;
      }
      const std::int64_t count = std::min(size - first, half_elements_ - used);
      rounds.back().push_back({.tensor = i, .first = first, .count = count, .at = used});
      first += count;
      used += rounded_up(count);
    }
  }

  record(started_, current());
  wait(started_, in_);  // what the last step sent to the host has arrived
  fill(halves_[0], rounds[0], tensors);
  for (std::size_t i = 0; i < rounds.size(); ++i) {
    Half& half = halves_[i % 2];
    if (i + 1 < rounds.size()) fill(halves_[(i + 1) % 2], rounds[i + 1], tensors);
    compute(half, rounds[i], tensors, rates, factor, skip);
    empty(half, rounds[i], tensors);
  }
  finish();
}

void StreamedUpdate::copy(const Half& half, const std::vector<Piece>& pieces,
                          const AdamWTensors& tensors, bool home) const {
  const auto one = [home](const at::Tensor& there, const at::Tensor& here, const Piece& piece) {
    const at::Tensor outer = part(there, piece.first, piece.count),
                     inner = part(here, piece.at, piece.count);
    (home ? outer : inner).copy_(home ? inner : outer, /*non_blocking=*/true);
  };
  for (const Piece& piece : pieces) {
    one(tensors.exp_avg[piece.tensor], half.exp_avg, piece);
    one(tensors.exp_avg_sq[piece.tensor], half.exp_avg_sq, piece);
    if (weights_) one(tensors.parameter[piece.tensor].detach(), half.parameter, piece);
  }
}

void StreamedUpdate::fill(Half& half, const std::vector<Piece>& pieces,
                          const AdamWTensors& tensors) {
  wait(half.emptied, in_);
  const c10::OptionalStreamGuard guard(in_);
  copy(half, pieces, tensors, /*home=*/false);
  record(half.filled, in_);
}

void StreamedUpdate::compute(Half& half, const std::vector<Piece>& pieces,
                             const AdamWTensors& tensors, const AdamWRates& rates,
                             const at::Tensor& factor, const at::Tensor& skip) {
  wait(half.filled, current());
  AdamWTensors on_device;
  for (const Piece& piece : pieces) {
    const auto& [tensor, first, count, at] = piece;
    on_device.parameter.push_back(weights_ ? part(half.parameter, at, count)
                                           : part(tensors.parameter[tensor], first, count));
    on_device.gradient.push_back(part(tensors.gradient[tensor], first, count));
    on_device.exp_avg.push_back(part(half.exp_avg, at, count));
    on_device.exp_avg_sq.push_back(part(half.exp_avg_sq, at, count));
    on_device.step.push_back(tensors.step[tensor]);
  }
  fused_adamw(on_device, rates, factor, skip);
  record(half.computed, current());
}

void StreamedUpdate::empty(Half& half, const std::vector<Piece>& pieces,
                           const AdamWTensors& tensors) {
  wait(half.computed, out_);
  const c10::OptionalStreamGuard guard(out_);
  copy(half, pieces, tensors, /*home=*/true);
  record(half.emptied, out_);
}

void StreamedUpdate::finish() {
  for (const Half& half : halves_) wait(half.emptied, current());
  if (weights_) synchronize(device_);
}

std::optional<c10::Stream> StreamedUpdate::current() const {
  if (device_.is_cpu()) return std::nullopt;
  return device_of(device_).getStream(device_);
}

}  // namespace gpt
