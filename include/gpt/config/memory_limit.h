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

// "auto"; "11.69GiB", "8g", "512 MiB" (K, M, G, T with or without iB: powers of 1024), "12GB"
// (powers of 1000); without a unit up to 1 or with % a fraction, from 2^20 on bytes. Nothing for
// other text.
std::optional<MemoryLimit> parse_memory_limit(const std::string& text);

}  // namespace gpt
