// SHA-256 (FIPS 180-4), by which another program names files.
#pragma once

#include <string>
#include <string_view>

namespace gpt {

// 64 lower-case hex digits.
std::string sha256(std::string_view bytes);

}  // namespace gpt
