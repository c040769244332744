#include "gpt/config/check.h"

#include <algorithm>

namespace gpt {

bool device_name::holds(const std::string& v) const {
  if (v == "auto" || v == "cpu" || v == "cuda") return true;
  constexpr std::string_view kPrefix = "cuda:";
  const std::string index = v.substr(std::min(v.size(), kPrefix.size()));
  return v.starts_with(kPrefix) && !index.empty() && index.size() <= 3 &&
         std::all_of(index.begin(), index.end(), [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace gpt
