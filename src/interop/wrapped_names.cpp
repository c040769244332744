#include "wrapped_names.h"

#include <algorithm>
#include <set>

namespace gpt {

std::string without_wrappers(std::string_view name) {
  static const std::set<std::string_view> kWrappers = {"module", "_orig_mod", "_forward_module",
                                                       "_fsdp_wrapped_module",
                                                       "_checkpoint_wrapped_module"};
  std::string out;
  while (!name.empty()) {
    const std::size_t end = std::min(name.find('.'), name.size() - 1) + 1;  // with its dot
    std::string_view part = name.substr(0, end);
    name.remove_prefix(end);
    if (!kWrappers.contains(part.substr(0, part.size() - (part.ends_with('.') ? 1 : 0))))
      out += part;
  }
  return out;
}

bool is_token_embedding(std::string_view name) {
  constexpr std::string_view kEmbedding = "wte.weight", kPart = ".wte.weight";
  const std::string plain = without_wrappers(name);
  return plain == kEmbedding || plain.ends_with(kPart);
}

bool is_adapter_name(std::string_view name) {
  return name.find(".lora_") != name.npos || name.find(".base_layer.") != name.npos;
}

}  // namespace gpt
