#include "app/prompt_text.h"

#include <iostream>
#include <iterator>
#include <string_view>

#include "gpt/base/files.h"
#include "gpt/text/text_mode.h"

namespace gpt {

std::string prompt_text(const std::string& start) {
  constexpr std::string_view kFile = "FILE:";
  if (start == "-")
    return text_mode({std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>()},
                     "standard input");
  constexpr std::uint64_t kLargest = 64 << 20;  // a model reads its last block_size tokens
  if (!start.starts_with(kFile)) return start;
  const std::string file = start.substr(kFile.size());
  return text_mode(read_small_file(file, kLargest, "a prompt"), file);
}

}  // namespace gpt
