// Which documents become validation text.
#pragma once

#include <cstdint>

namespace gpt {

// Documents are cut into strata of 1 / fraction; in each, one document drawn from the seed is for
// validation. So the share is met to one document, a run needs no
// count of them beforehand, and the choice depends on nothing but seed and number.
class SplitRule {
 public:
  // 0 < fraction < 1. The default puts all into training.
  SplitRule() = default;
  SplitRule(double fraction, std::int64_t seed);

  bool is_val(std::int64_t document) const;

 private:
  std::int64_t begin(std::int64_t stratum) const;  // its first document

  double fraction_ = 0;
  std::uint64_t seed_ = 0;
};

}  // namespace gpt
