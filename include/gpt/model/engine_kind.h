// Which engine does a model's work.
#pragma once

#include <c10/core/ScalarType.h>

#include "gpt/config/recompute.h"

namespace gpt {

// kCpu and kTensor are the fused engines: loops over a CPU's plain memory, and kernels on tensors
// of any device.
enum class EngineKind { kEager, kCpu, kTensor };

// What compile=... means for a device and a compute type: the eager engine as well where there is
// no fused one, which is float16 on the CPU.
constexpr EngineKind engine_kind(bool compile, bool cuda, c10::ScalarType type) {
  if (!compile) return EngineKind::kEager;
  if (cuda) return EngineKind::kTensor;
  return type == c10::ScalarType::Half ? EngineKind::kEager : EngineKind::kCpu;
}

// What an engine does for recompute=...: the eager one keeps all of a block or its input alone, so
// that the levels between them become the last. It drops no less than was asked for, and the bits
// are the same.
constexpr Recompute recompute_of(EngineKind engine, Recompute asked) {
  return engine == EngineKind::kEager && asked != Recompute::kNone ? Recompute::kBlock : asked;
}

constexpr const char* engine_name(EngineKind kind) {
  return kind == EngineKind::kEager ? "eager" : "fused";
}

}  // namespace gpt
