#include "pickle_cursor.h"

#include <bit>
#include <charconv>
#include <cstring>

#include "gpt/base/error.h"
#include "gpt/base/strings.h"

namespace gpt {

namespace {

void append_utf8(std::string& out, std::uint32_t c) {
  const auto byte = [&](std::uint32_t value) { out += static_cast<char>(value); };
  if (c < 0x80) {
    byte(c);
  } else if (c < 0x800) {
    byte(0xC0 | c >> 6), byte(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    byte(0xE0 | c >> 12), byte(0x80 | (c >> 6 & 0x3F)), byte(0x80 | (c & 0x3F));
  } else {
    byte(0xF0 | c >> 18), byte(0x80 | (c >> 12 & 0x3F));
    byte(0x80 | (c >> 6 & 0x3F)), byte(0x80 | (c & 0x3F));
  }
}

}  // namespace

void PickleCursor::fail(const std::string& what) const {
  throw InputError(concat(origin_, ": byte ", opcode_at_, ": ", what));
}

std::uint8_t PickleCursor::opcode() {
  opcode_at_ = at_;
  if (at_end()) fail("the pickle ends without its STOP; it is cut short");
  return static_cast<std::uint8_t>(bytes_[at_++]);
}

std::string_view PickleCursor::take(std::uint64_t count) {
  if (count > bytes_.size() - at_)
    fail(
        concat(count, " bytes are announced, ", bytes_.size() - at_, " are left; it is cut short"));
  const std::string_view taken = bytes_.substr(at_, count);
  at_ += count;
  return taken;
}

std::string_view PickleCursor::line() {
  const auto end = bytes_.find('\n', at_);
  if (end == bytes_.npos) fail("a line without its end; the pickle is cut short");
  const std::string_view taken = bytes_.substr(at_, end - at_);
  at_ = end + 1;
  return taken;
}

std::uint64_t PickleCursor::unsigned_number(std::size_t count) {
  std::uint64_t value = 0;
  const std::string_view bytes = take(count);
  for (std::size_t i = 0; i < count; ++i)
    value |= std::uint64_t{static_cast<unsigned char>(bytes[i])} << (8 * i);
  return value;
}

std::int64_t PickleCursor::signed_number(std::size_t count) {
  if (count == 0) return 0;
  if (count > 8) fail("an integer beyond 64 bits");
  const auto unused = static_cast<unsigned>(64 - 8 * count);
  return static_cast<std::int64_t>(unsigned_number(count) << unused) >> unused;
}

double PickleCursor::big_endian_double() {
  std::uint64_t bits = 0;
  for (const char c : take(8)) bits = bits << 8 | static_cast<unsigned char>(c);
  return std::bit_cast<double>(bits);
}

bool raw_unicode_to_utf8(std::string_view raw, std::string* utf8) {
  for (std::size_t at = 0; at < raw.size();) {
    std::uint32_t c = static_cast<unsigned char>(raw[at++]);
    // A backslash itself comes as its escape, so each one begins an escape.
    if (c == '\\') {
      if (at == raw.size() || (raw[at] != 'u' && raw[at] != 'U')) return false;
      const std::size_t digits = raw[at++] == 'u' ? 4 : 8;
      if (raw.size() - at < digits) return false;
      const char* const end = raw.data() + at + digits;
      if (std::from_chars(raw.data() + at, end, c, 16).ptr != end) return false;
      at += digits;
      if (c > 0x10FFFF || (c >= 0xD800 && c < 0xE000)) return false;
    }
    append_utf8(*utf8, c);
  }
  return true;
}

bool utf8_to_latin1(std::string_view utf8, std::string* bytes) {
  for (std::size_t at = 0; at < utf8.size(); ++at) {
    const auto lead = static_cast<unsigned char>(utf8[at]);
    if (lead < 0x80) {
      *bytes += utf8[at];
    } else {
      if (lead > 0xC3 || at + 1 == utf8.size()) return false;
      const auto low = static_cast<unsigned char>(utf8[++at]) & 0x3Fu;
      *bytes += static_cast<char>((lead & 3u) << 6 | low);
    }
  }
  return true;
}

}  // namespace gpt
