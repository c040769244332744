#include "gpt/config/memory_limit.h"

#include <cctype>
#include <charconv>
#include <cmath>
#include <string_view>

namespace gpt {

namespace {

// Bytes in a unit such as "GiB", "g" or "GB"; 0 if there is no such unit.
double unit_bytes(std::string unit) {
  for (char& c : unit) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  if (unit == "b") return 1;
  const std::size_t power = std::string_view("kmgt").find(unit.empty() ? '?' : unit.front());
  if (power == std::string_view::npos) return 0;
  unit.erase(0, 1);
  if (unit.empty() || unit == "ib") return std::pow(1024.0, static_cast<double>(power + 1));
  return unit == "b" ? std::pow(1000.0, static_cast<double>(power + 1)) : 0;
}

}  // namespace

std::optional<std::uint64_t> MemoryLimit::of(std::uint64_t total) const {
  if (fraction) return static_cast<std::uint64_t>(*fraction * static_cast<double>(total));
  return bytes;
}

std::optional<MemoryLimit> parse_memory_limit(const std::string& text) {
  if (text == "auto") return MemoryLimit{};
  double number = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number, std::chars_format::fixed);
  if (error != std::errc() || !(number > 0)) return std::nullopt;
  constexpr double kMost = 1e18;      // far beyond any machine, well within 64 bits
  constexpr double kPlain = 1 << 20;  // a smaller number may have lost its unit
  std::string unit(rest, static_cast<std::size_t>(end - rest));
  if (unit.starts_with(' ')) unit.erase(0, 1);
  if (unit == "%") number /= 100;
  if (unit == "%" || (unit.empty() && number < kPlain)) {
    if (number > 1) return std::nullopt;
    return MemoryLimit{.bytes = {}, .fraction = number};
  }
  const double bytes = number * (unit.empty() ? 1 : unit_bytes(unit));
  if (!(bytes >= 1 && bytes <= kMost)) return std::nullopt;
  return MemoryLimit{.bytes = static_cast<std::uint64_t>(bytes), .fraction = {}};
}

}  // namespace gpt
