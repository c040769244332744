#include "gpt/config/check.h"

#include <algorithm>

#include "gpt/base/files.h"
#include "gpt/config/memory_limit.h"

namespace gpt {

bool device_name::holds(const std::string& v) const {
  if (v == "auto" || v == "cpu" || v == "cuda") return true;
  constexpr std::string_view kPrefix = "cuda:";
  const std::string index = v.substr(std::min(v.size(), kPrefix.size()));
  return v.starts_with(kPrefix) && !index.empty() && index.size() <= 3 &&
         std::all_of(index.begin(), index.end(), [](char c) { return c >= '0' && c <= '9'; });
}

bool names_a_path(const std::string& text) {
  return text.find_first_of("/.") != text.npos || (!text.empty() && file_exists(text));
}

bool memory_size::holds(const std::string& v) const {
  return parse_memory_limit(v).has_value();
}

bool allocator_setting::holds(const std::string& v) const {
  if (v == "auto" || v == "native" || v == "expandable_segments") return true;
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == 'T' || c == 'F' ||
           std::string_view("_:,.[]>").find(c) != std::string_view::npos;
  };
  const auto colon = v.find(':');
  return colon != std::string::npos && colon > 0 && colon + 1 < v.size() &&
         std::all_of(v.begin(), v.end(), allowed);
}

}  // namespace gpt
