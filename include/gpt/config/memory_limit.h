// The value of memory_limit as a number.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace gpt {

// At most one is set; neither: auto.
struct MemoryLimit {
  std::optional<std::uint64_t> bytes;
  std::optional<double> fraction;  // of all that the device has, above 0 and at most 1

  // In bytes, for a device with `total`; nothing for auto.
  std::optional<std::uint64_t> of(std::uint64_t total) const;
};

// "auto"; "11.69GiB", "8G", "512MiB" (K, M, G, T with or without iB: powers of 1024), "12GB" (KB to
// TB: powers of 1000); a number up to 1 without a unit is a fraction. Nothing for any other text.
std::optional<MemoryLimit> parse_memory_limit(const std::string& text);

}  // namespace gpt
