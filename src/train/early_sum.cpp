#include "gpt/train/early_sum.h"

#include "gpt/base/log.h"

namespace gpt {

void EarlySum::add(std::size_t complete) {
  if (!begun_) {
    parts_ = engine_.gradient_parts();
    group_.begin_sum();
    begun_ = true;
  }
  for (; added_ < complete; ++added_) group_.add_to_sum(parts_[added_]);
}

bool EarlySum::finish() {
  if (!begun_) return false;
  add(parts_.size());
  ended_ = true;
  group_.end_sum();
  return true;
}

EarlySum::~EarlySum() {
  if (!begun_ || ended_) return;
  try {
    finish();
  } catch (const std::exception& error) {
    log_debug(error.what());  // what has failed first is on its way up
  }
}

}  // namespace gpt
