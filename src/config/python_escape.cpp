#include "gpt/base/strings.h"

#include "python_lexer.h"

namespace gpt {

namespace {

void append_utf8(std::string& out, std::uint32_t code) {
  const auto put = [&](std::uint32_t byte) { out += static_cast<char>(byte); };
  if (code < 0x80) return put(code);
  if (code < 0x800) {
    put(0xC0 | code >> 6);
  } else {
    if (code < 0x10000) {
      put(0xE0 | code >> 12);
    } else {
      put(0xF0 | code >> 18);
      put(0x80 | (code >> 12 & 0x3F));
    }
    put(0x80 | (code >> 6 & 0x3F));
  }
  put(0x80 | (code & 0x3F));
}

int digit_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return 16;
}

class Unescaper {
 public:
  Unescaper(std::string_view raw, const PythonPlace& place) : raw_(raw), place_(place) {}

  std::string read() {
    while (at_ < raw_.size()) {
      if (raw_[at_] == '\\')
        read_escape();
      else if (raw_[at_] == '\r')
        read_newline();
      else
        out_ += raw_[at_++];
    }
    return std::move(out_);
  }

 private:
  [[noreturn]] void fail(std::size_t at, const std::string& what) const {
    PythonPlace{place_.source, place_.offset + at}.fail(what);
  }

  // Python reads every line end as \n.
  void read_newline() {
    skip_newline();
    out_ += '\n';
  }

  void skip_newline() { at_ += raw_.substr(at_, 2) == "\r\n" ? 2 : 1; }

  void read_escape() {
    constexpr std::string_view kLetters = "\\'\"abfnrtv";
    constexpr std::string_view kMeanings = "\\'\"\a\b\f\n\r\t\v";
    const std::size_t start = at_++;
    const char letter = raw_[at_];  // the lexer never ends a literal after a backslash
    if (const auto i = kLetters.find(letter); i != std::string_view::npos) {
      out_ += kMeanings[i];
      ++at_;
    } else if (letter == '\n' || letter == '\r') {
      skip_newline();
    } else if (letter >= '0' && letter <= '7') {
      read_code(start, 8, 1, 3);
    } else if (letter == 'x' || letter == 'u' || letter == 'U') {
      ++at_;
      const std::size_t digits = letter == 'x' ? 2 : letter == 'u' ? 4 : 8;
      read_code(start, 16, digits, digits);
    } else if (letter == 'N') {
      fail(start, "escapes by character name are not read; write \\u and four digits");
    } else {
      out_ += '\\';  // as Python does, with a warning
    }
  }

  void read_code(std::size_t start, std::uint32_t base, std::size_t least, std::size_t most) {
    std::uint32_t code = 0;
    std::size_t count = 0;
    for (; count < most && at_ < raw_.size(); ++count, ++at_) {
      const auto digit = static_cast<std::uint32_t>(digit_value(raw_[at_]));
      if (digit >= base) break;
      code = code * base + digit;
    }
    if (count < least) fail(start, concat("this escape needs ", least, " hexadecimal digits"));
    if (code > 0x10FFFF || (code >= 0xD800 && code < 0xE000))
      fail(start, "this escape is no character of Unicode");
    append_utf8(out_, code);
  }

  std::string_view raw_;
  const PythonPlace& place_;
  std::size_t at_ = 0;
  std::string out_;
};

}  // namespace

std::string unescape_python(std::string_view raw, const PythonPlace& place) {
  return Unescaper(raw, place).read();
}

}  // namespace gpt
