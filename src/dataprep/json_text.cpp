#include "gpt/dataprep/json_text.h"

#include "gpt/base/error.h"
#include "gpt/base/strings.h"
#include "gpt/base/terminal.h"
#include "gpt/text/utf8.h"

namespace gpt {

namespace {

constexpr int kMaxDepth = 256;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

class JsonScanner {
 public:
  JsonScanner(std::string_view line, const std::string& origin) : line_(line), origin_(origin) {}

  // The object's text at `key`, into `text`.
  std::int64_t object_text(std::string_view key, std::string& text) {
    const std::string wanted = concat("a JSON object with a text at key \"", key, "\"");
    space();
    if (peek() != '{') fail(wanted);
    ++at_;
    bool found = false;
    std::int64_t lone = 0;
    std::string name;
    members('}', [&] {
      member_name(&name);
      if (name != key) return value(1);
      if (peek() != '"') fail(concat("a text at key \"", key, "\""));
      text.clear();
      found = true;
      lone = string(&text);
    });
    space();
    if (at_ != line_.size()) fail("the end of the line after the object");
    if (!found) {
      at_ = line_.size();
      fail(wanted);
    }
    return lone;
  }

 private:
  char peek() const { return at_ < line_.size() ? line_[at_] : '\0'; }

  void space() {
    while (peek() == ' ' || peek() == '\t' || peek() == '\r' || peek() == '\n') ++at_;
  }

  [[noreturn]] void fail(const std::string& wanted) const {
    const std::string_view rest = line_.substr(std::min(at_, line_.size()), 20);
    throw InputError(concat(origin_, ": expected ", wanted, " (column ", at_ + 1, "), found ",
                            rest.empty() ? std::string("the end of the line") : quoted_name(rest)));
  }

  // Reads elements up to `close`; the opening character is behind us.
  template <class Element>
  void members(char close, const Element& element) {
    space();
    if (peek() == close) {
      ++at_;
      return;
    }
    while (true) {
      space();
      element();
      space();
      const char next = peek();
      if (next != ',' && next != close) fail(concat("',' or '", close, "'"));
      ++at_;
      if (next == close) return;
    }
  }

  void member_name(std::string* name) {
    if (peek() != '"') fail("a name in double quotes");
    if (name) name->clear();
    string(name);
    space();
    if (peek() != ':') fail("':'");
    ++at_;
    space();
  }

  // Skips any value.
  void value(int depth) {
    if (depth > kMaxDepth) fail(concat("at most ", kMaxDepth, " values inside each other"));
    const char first = peek();
    if (first == '"') {
      string(nullptr);
    } else if (first == '{') {
      ++at_;
      members('}', [&] {
        member_name(nullptr);
        value(depth + 1);
      });
    } else if (first == '[') {
      ++at_;
      members(']', [&] { value(depth + 1); });
    } else if (first == '-' || is_digit(first)) {
      number();
    } else {
      literal();
    }
  }

  void literal() {
    // NaN and Infinity are no JSON, but what Python's json module writes and reads.
    for (const std::string_view word : {"true", "false", "null", "NaN", "Infinity"})
      if (line_.substr(at_).starts_with(word)) {
        at_ += word.size();
        return;
      }
    fail("a value");
  }

  void digits() {
    if (!is_digit(peek())) fail("a digit");
    while (is_digit(peek())) ++at_;
  }

  void number() {
    if (peek() == '-') ++at_;
    if (peek() == 'I') return literal();  // -Infinity
    if (peek() == '0')
      ++at_;
    else
      digits();
    if (peek() == '.') {
      ++at_;
      digits();
    }
    if (peek() == 'e' || peek() == 'E') {
      ++at_;
      if (peek() == '+' || peek() == '-') ++at_;
      digits();
    }
  }

  // Decodes a string into `out`, if that is not null; returns the lone surrogates in it.
  std::int64_t string(std::string* out) {
    ++at_;
    std::int64_t lone = 0;
    while (true) {
      const std::size_t begin = at_;
      while (at_ < line_.size() && line_[at_] != '"' && line_[at_] != '\\' &&
             static_cast<unsigned char>(line_[at_]) >= 0x20)
        ++at_;
      if (out) out->append(line_.substr(begin, at_ - begin));
      if (at_ == line_.size()) fail("the string's closing '\"'");
      if (line_[at_] == '"') break;
      if (line_[at_] != '\\') fail("no control characters in a string");
      lone += escape(out);
    }
    ++at_;
    return lone;
  }

  std::int64_t escape(std::string* out) {
    constexpr std::string_view kNames = "\"\\/bfnrt", kMeanings = "\"\\/\b\f\n\r\t";
    ++at_;
    const char kind = peek();
    const std::size_t known = kNames.find(kind);
    if (kind != 'u') {
      if (at_ == line_.size() || known == std::string_view::npos) fail("an escape such as \\n");
      if (out) out->push_back(kMeanings[known]);
      ++at_;
      return 0;
    }
    ++at_;
    char32_t code = hex4();
    const bool high = code >= 0xD800 && code < 0xDC00;
    if (high && line_.substr(at_).starts_with("\\u")) {
      const std::size_t before = at_;
      at_ += 2;
      const char32_t low = hex4();
      if (low >= 0xDC00 && low < 0xE000)
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
      else
        at_ = before;  // a character of its own
    }
    const bool lone = code >= 0xD800 && code < 0xE000;
    if (out) append_utf8(lone ? kReplacement : code, *out);
    return lone ? 1 : 0;
  }

  char32_t hex4() {
    char32_t code = 0;
    for (int i = 0; i < 4; ++i, ++at_) {
      const char c = peek();
      const char lower = static_cast<char>(c | 0x20);
      if (!is_digit(c) && !(lower >= 'a' && lower <= 'f')) fail("four hex digits after \\u");
      code = code * 16 + static_cast<char32_t>(is_digit(c) ? c - '0' : lower - 'a' + 10);
    }
    return code;
  }

  std::string_view line_;
  const std::string& origin_;
  std::size_t at_ = 0;
};

}  // namespace

std::int64_t read_json_text(std::string_view line, std::string_view key, const std::string& origin,
                            std::string& text) {
  return JsonScanner(line, origin).object_text(key, text);
}

}  // namespace gpt
