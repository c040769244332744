// Texts that are nearly right, for readers that must refuse or read whatever they are given.
#pragma once

#include <random>
#include <string>

namespace gpt::testing {

// `text` with three places where something was cut out or one of `bytes` put in.
inline std::string mutated(std::string text, const std::string& bytes, std::mt19937& random) {
  for (int i = 0; i < 3; ++i) {
    const std::size_t at = random() % text.size();
    if (random() % 3 == 0)
      text.erase(at, 1 + random() % 5);
    else
      text.insert(at, 1, bytes[random() % bytes.size()]);
  }
  return text;
}

}  // namespace gpt::testing
