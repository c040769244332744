#include "gpt/dataprep/split_rule.h"

#include <cmath>

namespace gpt {

namespace {

// Steele, Lea, Flood: Fast splittable pseudorandom number generators (2014), SplitMix64's step.
std::uint64_t mixed(std::uint64_t value) {
  value += 0x9E3779B97F4A7C15u;
  value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9u;
  value = (value ^ (value >> 27)) * 0x94D049BB133111EBu;
  return value ^ (value >> 31);
}

}  // namespace

SplitRule::SplitRule(double fraction, std::int64_t seed)
    : fraction_(fraction), seed_(mixed(static_cast<std::uint64_t>(seed))) {}

std::int64_t SplitRule::begin(std::int64_t stratum) const {
  return static_cast<std::int64_t>(std::ceil(static_cast<double>(stratum) / fraction_));
}

bool SplitRule::is_val(std::int64_t document) const {
  if (fraction_ <= 0) return false;
  auto stratum = static_cast<std::int64_t>(static_cast<double>(document) * fraction_);
  while (begin(stratum) > document) --stratum;  // rounding
  while (begin(stratum + 1) <= document) ++stratum;
  const std::int64_t first = begin(stratum), size = begin(stratum + 1) - first;
  const std::uint64_t drawn = mixed(seed_ ^ static_cast<std::uint64_t>(stratum));
  return document == first + static_cast<std::int64_t>(drawn % static_cast<std::uint64_t>(size));
}

}  // namespace gpt
