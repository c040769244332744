// The JSON header of a safetensors file, read with nothing taken on trust.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace gpt {

// The format's own limit, which keeps a hostile length from becoming an allocation.
inline constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;

struct HeaderEntry {
  std::string name;
  std::string dtype;
  std::vector<std::int64_t> shape;
  std::array<std::uint64_t, 2>
      offsets{};  // begin, end; counted from the first byte after the header
};

struct SafetensorsHeader {
  std::vector<HeaderEntry> entries;  // sorted by offsets
  std::map<std::string, std::string> metadata;
};

// `data_size` is the number of bytes after the header, all of which the tensors must fill.
// InputError, beginning with `origin`, for anything that breaks the format.
SafetensorsHeader parse_safetensors_header(std::string_view json, std::uint64_t data_size,
                                           const std::string& origin);

// Elements times `element_size`; false if that does not fit in 64 bits.
bool tensor_bytes(const std::vector<std::int64_t>& shape, std::uint64_t element_size,
                  std::uint64_t* bytes);

}  // namespace gpt
