#include "gpt/optim/muon.h"

#include <algorithm>
#include <array>
#include <utility>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "gpt/device/device.h"
#include "gpt/device/memory.h"
#include "gpt/optim/gradients.h"

#include "streamed_update.h"

namespace gpt {

at::Tensor Muon::Slice::in(const at::Tensor& whole) const {
  return whole.view({-1}).narrow(0, first, shape.elements()).view({shape.rows, shape.columns});
}

Muon::Muon(const std::vector<OptimizedTensor>& parameters, const OptimizerConfig& config,
           Offload offload, std::int64_t buffer, std::optional<c10::Device> computes,
           c10::ScalarType type)
    : config_(config),
      device_(computes.value_or(parameters.at(0).tensor.device())),
      parameters_(parameters) {
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> others;
  for (const OptimizedTensor& parameter : parameters) {
    place_.push_back({parameter.matrices > 0, others.size()});
    if (parameter.matrices > 0)
      add(parameter, offload != Offload::kOff);
    else
      others.push_back(parameter.tensor);
  }
  // Weights that are on the host are Muon's.
  const Offload moments = offload == Offload::kOff ? Offload::kOff : Offload::kMoments;
  if (!others.empty()) adamw_ = std::make_unique<AdamW>(others, config, moments, buffer, device_);
  if (!slices_.empty()) prepare(offload, buffer, type);
}

Muon::~Muon() = default;

void Muon::add(const OptimizedTensor& parameter, bool on_host) {
  const at::Tensor& tensor = parameter.tensor;
  const MatrixShape shape{tensor.size(0) / parameter.matrices, tensor.size(1)};
  place_.back().at = weight_.size();
  for (std::int64_t i = 0; i < parameter.matrices; ++i)
    slices_.push_back({weight_.size(), i * shape.elements(), shape});
  weight_.push_back(tensor);
  momentum_.push_back(on_host ? host_zeros(tensor.sizes(), device_) : at::zeros_like(tensor));
  step_.push_back(at::zeros({}, at::TensorOptions().device(device_).dtype(at::kFloat)));
}

void Muon::prepare(Offload offload, std::int64_t buffer, c10::ScalarType type) {
  one_ = at::ones({}, step_.front().options());
  counts_ = at::zeros({}, step_.front().options());
  std::stable_sort(slices_.begin(), slices_.end(), [](const Slice& a, const Slice& b) {
    return std::pair(a.shape.rows, a.shape.columns) < std::pair(b.shape.rows, b.shape.columns);
  });
  std::vector<MatrixShape> shapes;
  std::int64_t largest = 0, all = 0;
  for (const Slice& slice : slices_) {
    shapes.push_back(slice.shape);
    largest = std::max(largest, slice.shape.elements());
    all += slice.shape.elements();
  }
  const std::int64_t round = std::max(largest, std::min(buffer / 2, all));
  update_ = make_muon_update(shapes, device_, type);
  if (offload != Offload::kOff)
    streamed_ =
        std::make_unique<StreamedUpdate>(device_, round, offload == Offload::kWeights ? 2 : 1);
}

at::Tensor Muon::gradient_norm() {
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> norms, gradients;
  if (adamw_) norms.push_back(adamw_->gradient_norm());
  for (std::size_t i = 0; i < parameters_.size(); ++i)
    if (place_[i].muon) gradients.push_back(parameters_[i].tensor.grad());
  if (!gradients.empty()) norms.push_back(gpt::gradient_norm(gradients));
  return norms.size() == 1 ? norms.front() : at::linalg_vector_norm(at::stack(norms), 2);
}

MuonRates Muon::rates(double learning_rate) const {
  const double proportion = config_.muon_lr > 0 ? config_.muon_lr / config_.learning_rate : 1.0;
  return {.learning_rate = learning_rate * proportion,
          .weight_decay = config_.weight_decay,
          .momentum = config_.muon_momentum,
          .momentum_warmup = config_.muon_momentum_warmup,
          .match_rms = config_.muon_scale == "match_rms"};
}

void Muon::step(double learning_rate, const at::Tensor& skip, const at::Tensor& factor) {
  const at::NoGradGuard no_grad;
  for (const OptimizedTensor& parameter : parameters_)
    TORCH_CHECK(parameter.tensor.grad().defined(), "Muon: a parameter has no gradient");
  if (adamw_) adamw_->step(learning_rate, skip, factor);
  if (slices_.empty()) return;
  at::sub_out(counts_, one_, skip);
  at::_foreach_add_(step_, counts_);
  if (streamed_) return stream(rates(learning_rate), skip, factor);
  std::vector<MuonMatrix> all;
  for (const Slice& slice : slices_)
    all.push_back({.parameter = slice.in(weight_[slice.of].detach()),
                   .gradient = slice.in(weight_[slice.of].grad()),
                   .momentum = slice.in(momentum_[slice.of]),
                   .step = step_[slice.of]});
  update_->run(all, rates(learning_rate), factor, skip);
}

// A matrix is in one round, whole.
void Muon::stream(const MuonRates& rates, const at::Tensor& skip, const at::Tensor& factor) {
  StreamedUpdate::Kinds kinds{momentum_};
  const bool weights = streamed_->kinds() == 2;
  if (weights) kinds.push_back(weight_);
  std::vector<StreamedUpdate::Round> rounds;
  for (const Slice& slice : slices_)
    streamed_->append_whole(slice.of, slice.first, slice.shape.elements(), rounds);
  auto slice = slices_.begin();  // of the next piece
  streamed_->run(
      kinds, rounds, /*wait=*/weights,
      [&](const StreamedUpdate::Round& round, const std::vector<at::Tensor>& buffers) {
        std::vector<MuonMatrix> here;
        for (const StreamedUpdate::Piece& piece : round) {
          const std::array<std::int64_t, 2> sizes{slice->shape.rows, slice->shape.columns};
          const at::Tensor& weight = weight_[piece.tensor];
          here.push_back(
              {.parameter = weights ? piece.in(buffers[1]).view(sizes) : slice->in(weight.detach()),
               .gradient = slice->in(weight.grad()),
               .momentum = piece.in(buffers[0]).view(sizes),
               .step = step_[piece.tensor]});
          ++slice;
        }
        update_->run(here, rates, factor, skip);
      });
}

std::vector<Optimizer::StateTensor> Muon::state_tensors(std::size_t parameter) const {
  const Place& place = place_.at(parameter);
  if (!place.muon) return adamw_->state_tensors(place.at);
  if (streamed_) synchronize(device_);  // the momentum may be on its way
  return {{"momentum_buffer", momentum_[place.at]}, {"step", step_[place.at]}};
}

std::int64_t Muon::state_bytes() const {
  std::size_t bytes = 0;
  for (const auto* tensors : {&momentum_, &step_})
    for (const at::Tensor& tensor : *tensors) bytes += tensor.nbytes();
  return static_cast<std::int64_t>(bytes) + (adamw_ ? adamw_->state_bytes() : 0);
}

}  // namespace gpt
