// What a device may compute with: the kernels and algorithms that have proved right on it
// (gpt/probe), in the order in which they are taken. The process has one such choice, and whatever
// chooses a kernel asks it; without one, each chooses by a measurement of its own.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gpt {

// How causal attention is computed (ops/attention.h).
enum class AttentionKernel {
  kPlain,      // written out, T x T weights of some sequences in memory: any type, any device,
               // keyed dropout
  kCpuFlash,   // the CPU's fused one
  kFlash,      // FlashAttention-2 (Dao 2023): half types, heads of up to 256 in multiples of 8
  kCudnn,      // cuDNN's
  kEfficient,  // CUTLASS's, also float32
  kTiled,      // our own on CUDA, with keyed dropout and documents: half types, heads of up to 128
               // in multiples of 16
};
const char* attention_name(AttentionKernel kernel);
std::optional<AttentionKernel> attention_named(std::string_view name);

// An algorithm of cuBLASLt in the library's own words, which one version of it understands.
using GemmAlgorithm = std::array<std::uint64_t, 8>;

// Which of cuBLASLt's algorithms may compute a product: the fastest that was measured, the first
// that the library suggests, or none, so that ATen computes it.
enum class GemmLevel { kTuned, kFirst, kAten };

struct DeviceChoices {
  // In the order in which they are taken; the plain one always may run, listed or not.
  std::vector<AttentionKernel> attention = {};
  bool tiled_attention = false;  // with dropout or documents; else the plain one
  GemmLevel gemm_level = GemmLevel::kTuned;
  // By shape (ops/matmul_algorithms.h); nothing: ATen's. A shape that is not here gets the
  // library's first suggestion.
  std::map<std::string, std::optional<GemmAlgorithm>> gemm = {};
  bool kernels = true;  // our own; else ATen's operators take their place
  bool fused = true;    // the fused engine
  bool graphs = true;
  bool expandable_segments = true;
  // What they were proved on: card, driver, libraries, build. "" of those that nobody proved.
  std::string machine = {};

  bool operator==(const DeviceChoices&) const = default;
};

// The process's; null: none. What was returned stays as it is; another one takes its place.
std::shared_ptr<const DeviceChoices> device_choices();
void set_device_choices(const std::optional<DeviceChoices>& choices);

// Grows with every set_device_choices: what was decided by an earlier one is to be decided again.
std::int64_t device_choices_version();

// May our own kernels run? Asked at every launch, so without a lock.
bool own_kernels_allowed();

// As JSON, for files and manifests; InputError naming `origin` if the text is not what it wrote.
std::string to_json(const DeviceChoices& choices);
DeviceChoices parse_device_choices(std::string_view text, const std::string& origin);

}  // namespace gpt
