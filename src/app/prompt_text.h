// The text of a prompt.
#pragma once

#include <string>

namespace gpt {

// `start` as --start has it: the text itself, or FILE:PATH or - for standard input, which are read
// in text mode (see text_mode.h), as nanoGPT reads them.
std::string prompt_text(const std::string& start);

}  // namespace gpt
