// Which of this machine's network addresses leads to another machine.
#pragma once

#include <optional>
#include <string>

namespace gpt {

// The address that packets to `host` leave from; nothing if no way leads there. Sends nothing.
std::optional<std::string> address_towards(const std::string& host, int port);

bool is_loopback(const std::string& address);

}  // namespace gpt
