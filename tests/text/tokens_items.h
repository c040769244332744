// Lists of texts and of ids on their way to and from Python: each with its length before it.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "gpt/base/strings.h"

namespace gpt::testing {

inline std::string to_items(const std::vector<std::string>& texts) {
  std::string bytes;
  for (const std::string& text : texts) {
    const auto size = static_cast<std::uint32_t>(text.size());
    bytes.append(reinterpret_cast<const char*>(&size), sizeof size);
    bytes += text;
  }
  return bytes;
}

inline std::vector<std::vector<std::int32_t>> from_items(const std::string& bytes) {
  std::vector<std::vector<std::int32_t>> items;
  for (std::size_t at = 0; at < bytes.size();) {
    std::uint32_t count = 0;
    std::memcpy(&count, bytes.data() + at, sizeof count);
    std::vector<std::int32_t>& ids = items.emplace_back(count);
    if (count > 0) std::memcpy(ids.data(), bytes.data() + at + sizeof count, count * sizeof ids[0]);
    at += sizeof count + count * sizeof ids[0];
  }
  return items;
}

inline std::vector<std::string> texts_from_items(const std::string& bytes) {
  std::vector<std::string> items;
  for (std::size_t at = 0; at < bytes.size();) {
    std::uint32_t size = 0;
    std::memcpy(&size, bytes.data() + at, sizeof size);
    items.push_back(bytes.substr(at + sizeof size, size));
    at += sizeof size + size;
  }
  return items;
}

// The first characters of a text as \x escapes, for a failure's message.
inline std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, 60)) out += format("\\x%02x", static_cast<unsigned char>(c));
  return out;
}

}  // namespace gpt::testing
