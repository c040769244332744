// A file's bytes as the text that Python's text mode reads.
#pragma once

#include <string>

namespace gpt {

// \r\n and a lone \r become \n. A byte order mark is no text, and one of UTF-16 says how the rest
// is written, which becomes UTF-8; other bytes stay as they are. InputError names `origin`.
std::string text_mode(std::string bytes, const std::string& origin);

}  // namespace gpt
