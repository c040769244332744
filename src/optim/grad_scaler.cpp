#include "gpt/optim/grad_scaler.h"

namespace gpt {

namespace {

constexpr double kInitialScale = 65536, kGrowth = 2, kBackoff = 0.5;
constexpr std::int64_t kGrowthInterval = 2000;

}  // namespace

GradScaler::GradScaler(bool enabled) : enabled_(enabled), scale_(enabled ? kInitialScale : 1) {}

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
