// Text with colours of its own.
#pragma once

#include <string>

namespace gpt {

bool stdout_is_terminal();  // one that obeys ANSI's sequences

// To stdout as it is. Whoever calls this has made safe what comes from files (terminal.h).
void print_drawing(const std::string& text);

}  // namespace gpt
