// Work that runs out of memory, and what to say of it.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include <c10/core/Device.h>

#include "gpt/base/error.h"

namespace gpt {

// The last word: nothing is left to make smaller. Names the shortfall.
class MemoryError : public Error {
  using Error::Error;
};

// Runs `work`: why it ran out of memory; nothing if it did not. The exception is gone when this
// returns: while it lives, it may keep tensors alive.
std::optional<std::string> out_of_memory(const std::function<void()>& work);

// Of the last refusal: "12.5 MiB were missing".
std::string missing_memory(const c10::Device& device);

// `what` has failed with `why`, computed by the smallest `pieces`.
[[noreturn]] void throw_memory_error(const std::string& what, const c10::Device& device,
                                     const std::string& pieces, const std::string& why);

}  // namespace gpt
