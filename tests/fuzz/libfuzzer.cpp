// libFuzzer's entry; $GPT_FUZZ_TARGET says which target (scripts/fuzz sets it).
#include <cstdint>
#include <cstdlib>

#include "fuzz/targets.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const gpt::fuzz::Target kTarget = [] {
    const char* name = std::getenv("GPT_FUZZ_TARGET");
    return gpt::fuzz::target_named(name ? name : "");
  }();
  gpt::fuzz::read_or_refuse([&] { kTarget.read({reinterpret_cast<const char*>(data), size}); });
  return 0;
}
