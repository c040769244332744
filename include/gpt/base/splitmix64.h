// Mixing of numbers for keyed draws.
#pragma once

#include <cstdint>

namespace gpt {

// The step of SplitMix64 (Steele, Lea and Flood 2014): neighbouring numbers give numbers that have
// nothing in common.
constexpr std::uint64_t splitmix64(std::uint64_t value) {
  value += 0x9E3779B97F4A7C15u;
  value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9u;
  value = (value ^ (value >> 27)) * 0x94D049BB133111EBu;
  return value ^ (value >> 31);
}

}  // namespace gpt
