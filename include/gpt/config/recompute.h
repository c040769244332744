// The levels of recompute=..., from all kept to all but a block's input computed again. Each
// includes those before it. The eager engine has the first and the last.
#pragma once

#include <array>
#include <string>
#include <string_view>

namespace gpt {

enum class Recompute {
  kNone,
  kGelu,   // GELU's output, from its input
  kNorm,   // and the LayerNorms' outputs
  kMlp,    // and the product before GELU
  kBlock,  // all of the block, from its input
};

inline constexpr std::array kRecomputeLevels = {
    Recompute::kNone, Recompute::kGelu, Recompute::kNorm, Recompute::kMlp, Recompute::kBlock};

// "none", "gelu", "norm", "mlp" or "block".
constexpr const char* recompute_name(Recompute level) {
  constexpr const char* kNames[] = {"none", "gelu", "norm", "mlp", "block"};
  return kNames[static_cast<std::size_t>(level)];
}

// The level of a name that the config's check has let through; kNone for "auto".
constexpr Recompute recompute_level(std::string_view name) {
  for (const Recompute level : kRecomputeLevels)
    if (name == recompute_name(level)) return level;
  return Recompute::kNone;
}

}  // namespace gpt
