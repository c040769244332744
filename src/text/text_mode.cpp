#include "gpt/text/text_mode.h"

#include <string_view>

#include "gpt/base/error.h"
#include "gpt/text/utf8.h"

namespace gpt {

namespace {

// Of UTF-16 without its byte order mark. An unpaired surrogate is U+FFFD.
std::string from_utf16(std::string_view bytes, bool big_endian, const std::string& origin) {
  if (bytes.size() % 2 != 0)
    throw InputError(origin +
                     ": begins as UTF-16 does but has an odd number of bytes; save it as UTF-8");
  const auto unit = [&](std::size_t at) {
    const auto first = static_cast<unsigned char>(bytes[at]);
    const auto second = static_cast<unsigned char>(bytes[at + 1]);
    return static_cast<char32_t>(big_endian ? first << 8 | second : second << 8 | first);
  };
  const auto is_surrogate = [](char32_t code) { return code >= 0xD800 && code <= 0xDFFF; };
  std::string text;
  for (std::size_t at = 0; at < bytes.size(); at += 2) {
    char32_t code = unit(at);
    const char32_t next = at + 2 < bytes.size() ? unit(at + 2) : 0;
    if (code >= 0xD800 && code <= 0xDBFF && next >= 0xDC00 && next <= 0xDFFF) {
      code = 0x10000 + ((code - 0xD800) << 10) + (next - 0xDC00);
      at += 2;
    }
    append_utf8(is_surrogate(code) ? kReplacement : code, text);
  }
  return text;
}

std::string with_newlines(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    out.push_back(text[i] == '\r' ? '\n' : text[i]);
    if (text[i] == '\r' && i + 1 < text.size() && text[i + 1] == '\n') ++i;
  }
  return out;
}

}  // namespace

std::string text_mode(std::string bytes, const std::string& origin) {
  if (bytes.starts_with("\xEF\xBB\xBF"))
    bytes.erase(0, 3);
  else if (bytes.starts_with("\xFF\xFE") || bytes.starts_with("\xFE\xFF"))
    bytes = from_utf16(std::string_view(bytes).substr(2), bytes[0] == '\xFE', origin);
  return with_newlines(bytes);
}

}  // namespace gpt
