#include "streamed_update.h"

#include <algorithm>

#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include "gpt/device/device.h"

namespace gpt {

namespace {

constexpr std::int64_t rounded_up(std::int64_t count) {
  constexpr std::int64_t kUnit = StreamedUpdate::kUnit;
  return (count + kUnit - 1) / kUnit * kUnit;
}

c10::impl::VirtualGuardImpl device_of(const c10::Device& device) {
  return c10::impl::VirtualGuardImpl(device.type());
}

// `stream` continues when all that `event` was recorded after is done; at once if it never was.
void wait_for(const std::optional<c10::Event>& event, const std::optional<c10::Stream>& stream) {
  if (stream) event->block(*stream);
}

void record(std::optional<c10::Event>& event, const std::optional<c10::Stream>& stream) {
  if (stream) event->record(*stream);
}

}  // namespace

at::Tensor StreamedUpdate::Piece::of(const at::Tensor& whole) const {
  return whole.view({-1}).narrow(0, first, count);
}

at::Tensor StreamedUpdate::Piece::in(const at::Tensor& buffer) const {
  return buffer.narrow(0, at, count);
}

StreamedUpdate::StreamedUpdate(const c10::Device& device, std::int64_t elements, std::size_t kinds)
    : device_(device), elements_(rounded_up(std::max<std::int64_t>(elements, 1))) {
  const auto options = at::TensorOptions().device(device).dtype(at::kFloat);
  const bool streams = !device.is_cpu();
  for (Half& half : halves_) {
    for (std::size_t kind = 0; kind < kinds; ++kind)
      half.buffers.push_back(at::empty({elements_}, options));
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

std::vector<StreamedUpdate::Round> StreamedUpdate::rounds_of(
    const std::vector<at::Tensor>& tensors) const {
  std::vector<Round> rounds(1);
  std::int64_t used = 0;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const std::int64_t size = tensors[i].numel();
    for (std::int64_t first = 0; first < size;) {
      if (used == elements_) {
        rounds.emplace_back();
        used = 0;
      }
      const std::int64_t count = std::min(size - first, elements_ - used);
      rounds.back().push_back({.tensor = i, .first = first, .count = count, .at = used});
      first += count;
      used += rounded_up(count);
    }
  }
  return rounds;
}

void StreamedUpdate::append_whole(std::size_t tensor, std::int64_t first, std::int64_t count,
                                  std::vector<Round>& rounds) const {
  std::int64_t at = 0;
  if (!rounds.empty()) at = rounds.back().back().at + rounded_up(rounds.back().back().count);
  if (rounds.empty() || at + count > elements_) {
    rounds.emplace_back();
    at = 0;
  }
  rounds.back().push_back({.tensor = tensor, .first = first, .count = count, .at = at});
}

void StreamedUpdate::run(const Kinds& kinds, const std::vector<Round>& rounds, bool wait,
                         const Compute& compute) {
  record(started_, current());
  wait_for(started_, in_);  // what the last step sent to the host has arrived
  fill(halves_[0], rounds[0], kinds);
  for (std::size_t i = 0; i < rounds.size(); ++i) {
    Half& half = halves_[i % 2];
    if (i + 1 < rounds.size()) fill(halves_[(i + 1) % 2], rounds[i + 1], kinds);
    wait_for(half.filled, current());
    compute(rounds[i], half.buffers);
    record(half.computed, current());
    empty(half, rounds[i], kinds);
  }
  for (const Half& half : halves_) wait_for(half.emptied, current());
  if (wait) synchronize(device_);
}

void StreamedUpdate::copy(const Half& half, const Round& round, const Kinds& kinds, bool home) {
  for (const Piece& piece : round)
    for (std::size_t kind = 0; kind < kinds.size(); ++kind) {
      const at::Tensor outer = piece.of(kinds[kind][piece.tensor].detach()),
                       inner = piece.in(half.buffers[kind]);
      (home ? outer : inner).copy_(home ? inner : outer, /*non_blocking=*/true);
    }
}

void StreamedUpdate::fill(Half& half, const Round& round, const Kinds& kinds) {
  wait_for(half.emptied, in_);
  const c10::OptionalStreamGuard guard(in_);
  copy(half, round, kinds, /*home=*/false);
  record(half.filled, in_);
}

void StreamedUpdate::empty(Half& half, const Round& round, const Kinds& kinds) {
  wait_for(half.computed, out_);
  const c10::OptionalStreamGuard guard(out_);
  copy(half, round, kinds, /*home=*/true);
  record(half.emptied, out_);
}

std::optional<c10::Stream> StreamedUpdate::current() const {
  if (device_.is_cpu()) return std::nullopt;
  return device_of(device_).getStream(device_);
}

void stream_adamw(StreamedUpdate& streamed, const AdamWTensors& tensors, const AdamWRates& rates,
                  const at::Tensor& factor, const at::Tensor& skip) {
  for (std::size_t i = 0; i < tensors.parameter.size(); ++i)
    TORCH_CHECK(tensors.parameter[i].is_contiguous() && tensors.gradient[i].is_contiguous(),
                "AdamW: contiguous parameters and gradients are needed");
  StreamedUpdate::Kinds kinds{tensors.exp_avg, tensors.exp_avg_sq};
  if (streamed.kinds() == 3) kinds.push_back(tensors.parameter);
  const bool weights = kinds.size() == 3;
  streamed.run(kinds, streamed.rounds_of(tensors.parameter), /*wait=*/weights,
               [&](const StreamedUpdate::Round& round, const std::vector<at::Tensor>& buffers) {
                 AdamWTensors here;
                 for (const StreamedUpdate::Piece& piece : round) {
                   here.parameter.push_back(weights ? piece.in(buffers[2])
                                                    : piece.of(tensors.parameter[piece.tensor]));
                   here.gradient.push_back(piece.of(tensors.gradient[piece.tensor]));
                   here.exp_avg.push_back(piece.in(buffers[0]));
                   here.exp_avg_sq.push_back(piece.in(buffers[1]));
                   here.step.push_back(tensors.step[piece.tensor]);
                 }
                 fused_adamw(here, rates, factor, skip);
               });
}

}  // namespace gpt
