#include "gpt/optim/grad_scaler.h"

namespace gpt {

namespace {

constexpr double kInitialScale = 65536, kGrowth = 2, kBackoff = 0.5;
constexpr std::int64_t kGrowthInterval = 2000;

}  // namespace

GradScaler::GradScaler(bool enabled) : enabled_(enabled), scale_(enabled ? kInitialScale : 1) {}

void GradScaler::unscale(const std::vector<at::Tensor>& gradients) const {
  if (!enabled_ || gradients.empty()) return;
  const auto scalar = gradients.front().options().dtype(at::kFloat);
  // The operator also reports non-finite values; the gradient norm tells us that already.
  at::Tensor found = at::zeros({}, scalar);
  at::_amp_foreach_non_finite_check_and_unscale_(gradients, found,
                                                 at::full({}, 1.0 / scale_, scalar));
}

void GradScaler::update(bool non_finite) {
  if (!enabled_) return;
  if (non_finite) {
    scale_ *= kBackoff;
    good_steps_ = 0;
  } else if (++good_steps_ == kGrowthInterval) {
    scale_ *= kGrowth;
    good_steps_ = 0;
  }
}

void GradScaler::restore(const State& state) {
  if (!enabled_) return;
  scale_ = state.scale;
  good_steps_ = state.good_steps;
}

}  // namespace gpt
