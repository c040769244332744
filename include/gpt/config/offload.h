// The levels of optimizer_offload=...: what of the optimizer's state lives in the host's memory.
#pragma once

#include <array>
#include <string_view>

namespace gpt {

enum class Offload {
  kOff,
  kMoments,  // AdamW's two, Muon's momentum
  kWeights,  // and the float32 weights of the blocks' products, of which the device keeps copies
};

inline constexpr std::array kOffloadLevels = {Offload::kOff, Offload::kMoments, Offload::kWeights};

// "off", "on" or "all".
constexpr const char* offload_name(Offload level) {
  constexpr const char* kNames[] = {"off", "on", "all"};
  return kNames[static_cast<std::size_t>(level)];
}

// The level of a name that the config's check has let through; kOff for "auto".
constexpr Offload offload_level(std::string_view name) {
  for (const Offload level : kOffloadLevels)
    if (name == offload_name(level)) return level;
  return Offload::kOff;
}

}  // namespace gpt
