#include "gpt/device/memory_failure.h"

#include <c10/util/Exception.h>

#include "gpt/base/strings.h"
#include "gpt/device/memory.h"

namespace gpt {

std::optional<std::string> out_of_memory(const std::function<void()>& work) {
  try {
    work();
  } catch (const std::exception& error) {
    if (!is_out_of_memory(error)) throw;
    const auto* torch = dynamic_cast<const c10::Error*>(&error);
    return torch ? torch->what_without_backtrace() : error.what();
  }
  return std::nullopt;
}

std::string missing_memory(const c10::Device& device) {
  const auto bytes = static_cast<double>(memory_shortfall(device));
  return format("%.1f MiB were missing", bytes / (1 << 20));
}

void throw_memory_error(const std::string& what, const c10::Device& device,
                        const std::string& pieces, const std::string& why) {
  throw MemoryError(concat("out of memory in ", what, ": ", missing_memory(device),
                           ", and nothing is left to make smaller (", pieces, "): ", why,
                           "; `gpttrain plan` shows what fits, `gpttrain doctor` what holds the ",
                           "memory"));
}

}  // namespace gpt
