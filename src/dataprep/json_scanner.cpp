#include "json_scanner.h"

#include <algorithm>
#include <iterator>
#include <vector>

#include "gpt/base/error.h"
#include "gpt/base/terminal.h"
#include "gpt/text/utf8.h"

namespace gpt {

namespace {

// NaN and Infinity are no JSON, but what Python's json module writes and reads.
constexpr std::string_view kWords[] = {"true", "false", "null", "NaN", "Infinity"};

}  // namespace

bool JsonScanner::is_value(bool cut, bool first) {
  try {
    space();
    value(1);
    space();
  } catch (const InputError&) {
    const std::string_view rest = line_.substr(std::min(at_, line_.size()));
    return cut && std::any_of(std::begin(kWords), std::end(kWords),
                              [&](std::string_view word) { return word.starts_with(rest); });
  }
  return first || at_ == line_.size();
}

void JsonScanner::space() {
  while (peek() == ' ' || peek() == '\t' || peek() == '\r' || peek() == '\n') ++at_;
}

void JsonScanner::fail(const std::string& wanted) const {
  const std::string_view rest = line_.substr(std::min(at_, line_.size()), 20);
  throw InputError(concat(origin_, ": expected ", wanted, " (column ", at_ + 1, "), found ",
                          rest.empty() ? std::string("the end of the line") : quoted_name(rest)));
}

void JsonScanner::member_name(std::string* name) {
  if (peek() != '"') fail("a name in double quotes");
  if (name) name->clear();
  string(name);
  space();
  if (peek() != ':') fail("':'");
  ++at_;
  space();
}

void JsonScanner::value(int depth) {
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

void JsonScanner::literal() {
  for (const std::string_view word : kWords)
    if (line_.substr(at_).starts_with(word)) {
      at_ += word.size();
      return;
    }
  fail("a value");
}

void JsonScanner::digits() {
  if (!is_digit(peek())) fail("a digit");
  while (is_digit(peek())) ++at_;
}

void JsonScanner::number() {
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

std::int64_t JsonScanner::string(std::string* out) {
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

std::int64_t JsonScanner::escape(std::string* out) {
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

char32_t JsonScanner::hex4() {
  char32_t code = 0;
  for (int i = 0; i < 4; ++i, ++at_) {
    const char c = peek();
    const char lower = static_cast<char>(c | 0x20);
    if (!is_digit(c) && !(lower >= 'a' && lower <= 'f')) fail("four hex digits after \\u");
    code = code * 16 + static_cast<char32_t>(is_digit(c) ? c - '0' : lower - 'a' + 10);
  }
  return code;
}

void JsonScanner::enter_object(const std::string& wanted) {
  at_ = 0;
  if (line_.starts_with("\xEF\xBB\xBF")) at_ = 3;  // of files that were put after each other
  space();
  if (peek() != '{') fail(wanted);
  ++at_;
}

std::string JsonScanner::found_keys() {
  constexpr std::size_t kMost = 8;
  std::vector<std::string> names;
  enter_object("an object");
  members('}', [&] {
    std::string name;
    member_name(&name);
    value(1);
    if (names.size() <= kMost) names.push_back(names.size() < kMost ? quoted_name(name) : "...");
  });
  return names.empty() ? "an empty one" : "only the keys " + join(names, ", ");
}

void JsonScanner::leave_object() {
  space();
  if (at_ != line_.size()) fail("the end of the line after the object");
}

}  // namespace gpt
