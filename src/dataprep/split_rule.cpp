#include "gpt/dataprep/split_rule.h"

#include <cmath>

#include "gpt/base/splitmix64.h"

namespace gpt {

SplitRule::SplitRule(double fraction, std::int64_t seed)
    : fraction_(fraction), seed_(splitmix64(static_cast<std::uint64_t>(seed))) {}

std::int64_t SplitRule::begin(std::int64_t stratum) const {
  return static_cast<std::int64_t>(std::ceil(static_cast<double>(stratum) / fraction_));
}

bool SplitRule::is_val(std::int64_t document) const {
  if (fraction_ <= 0) return false;
  auto stratum = static_cast<std::int64_t>(static_cast<double>(document) * fraction_);
  while (begin(stratum) > document) --stratum;  // rounding
  while (begin(stratum + 1) <= document) ++stratum;
  const std::int64_t first = begin(stratum), size = begin(stratum + 1) - first;
  const std::uint64_t drawn = splitmix64(seed_ ^ static_cast<std::uint64_t>(stratum));
  return document == first + static_cast<std::int64_t>(drawn % static_cast<std::uint64_t>(size));
}

}  // namespace gpt
