#include "gpt/dataprep/json_text.h"

#include <algorithm>
#include <utility>

#include "gpt/base/error.h"
#include "gpt/base/strings.h"
#include "gpt/base/terminal.h"
#include "gpt/text/utf8.h"

namespace gpt {

namespace {

constexpr int kMaxDepth = 256;
// NaN and Infinity are no JSON, but what Python's json module writes and reads.
constexpr std::string_view kWords[] = {"true", "false", "null", "NaN", "Infinity"};

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// A key's value as it was found.
struct Found {
  std::string text;
  bool there = false;
  std::int64_t lone = 0;  // surrogates
};

// What is still to be followed of a key: "a.b" below the object, "b" below that at "a".
struct Want {
  std::size_t key = 0;
  std::string_view rest;
};

class JsonScanner {
 public:
  JsonScanner(std::string_view line, const std::string& origin) : line_(line), origin_(origin) {}

  // The values of the pattern's keys in the object that the line is.
  std::vector<Found> object_values(const RowPattern& pattern) {
    pattern_ = &pattern;
    found_.resize(pattern.keys().size());
    std::vector<Want> wants;
    for (std::size_t i = 0; i < found_.size(); ++i) wants.push_back({i, pattern.keys()[i]});
    if (line_.starts_with("\xEF\xBB\xBF")) at_ = 3;  // of files that were put after each other
    space();
    if (peek() != '{') fail(wanted(0));
    object(wants, 1);
    space();
    if (at_ != line_.size()) fail("the end of the line after the object");
    for (std::size_t i = 0; i < found_.size(); ++i)
      if (!found_[i].there) fail_without(i);
    return std::move(found_);
  }

  // Whether it is one value and nothing else; `cut`: or the beginning of one; `first`: or whatever
  // comes after it.
  bool is_value(bool cut, bool first = false) {
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

 private:
  std::string wanted(std::size_t key) const {
    return concat("a JSON object with a text at key ", quoted(key));
  }
  std::string quoted(std::size_t key) const { return concat('"', pattern_->keys()[key], '"'); }

  // One that has no such key; its keys may tell which is meant.
  [[noreturn]] void fail_without(std::size_t key) {
    constexpr std::size_t kMost = 8;
    std::vector<std::string> names;
    at_ = 0;
    while (peek() != '{') ++at_;
    ++at_;
    members('}', [&] {
      std::string name;
      member_name(&name);
      value(1);
      if (names.size() <= kMost) names.push_back(names.size() < kMost ? quoted_name(name) : "...");
    });
    throw InputError(concat(origin_, ": expected ", wanted(key), ", found ",
                            names.empty() ? "an empty one" : "only the keys " + join(names, ", "),
                            "; name another with --text_key, or several in --text_template"));
  }

  void object(const std::vector<Want>& wants, int depth) {
    ++at_;
    std::string name;
    members('}', [&] {
      member_name(&name);
      wanted_value(name, wants, depth);
    });
  }

  void wanted_value(std::string_view name, const std::vector<Want>& wants, int depth) {
    std::vector<Want> below;
    std::vector<std::size_t> here;
    for (const Want& want : wants) {
      if (want.rest == name)
        here.push_back(want.key);
      else if (want.rest.size() > name.size() && want.rest[name.size()] == '.' &&
               want.rest.starts_with(name))
        below.push_back({want.key, want.rest.substr(name.size() + 1)});
    }
    if (!here.empty()) return take(here);
    const bool nested = !below.empty() && depth < kMaxDepth;
    if (nested && peek() == '{') return object(below, depth + 1);
    if (!nested || peek() != '[') return value(depth);
    ++at_;
    std::size_t element = 0;
    members(']', [&] { wanted_value(std::to_string(element++), below, depth + 1); });
  }

  void take(const std::vector<std::size_t>& keys) {
    Found found{.text = {}, .there = true};
    const char first = peek();
    const bool plain = first == '-' || is_digit(first) || first == 't' || first == 'f';
    if (first == '"') {
      found.lone = string(&found.text);
    } else if (plain && pattern_->is_template()) {
      const std::size_t begin = at_;
      value(1);
      found.text = line_.substr(begin, at_ - begin);
    } else {
      fail(concat("a text at key ", quoted(keys.front())));
    }
    for (const std::size_t key : keys) found_[key] = found;
  }

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
    for (const std::string_view word : kWords)
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
  const RowPattern* pattern_ = nullptr;
  std::vector<Found> found_;  // by key
};

const std::string kNoOrigin;

}  // namespace

RowPattern RowPattern::of_key(const std::string& key) {
  RowPattern pattern;
  pattern.keys_ = {key};
  pattern.literals_ = {"", ""};
  return pattern;
}

RowPattern RowPattern::of_template(const std::string& text) {
  RowPattern pattern;
  pattern.is_template_ = true;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at], next = at + 1 < text.size() ? text[at + 1] : '\0';
    std::string& literal = pattern.literals_.back();
    if ((c == '{' || c == '}') && next == c) {
      literal += c;
      ++at;
    } else if (c == '\\' && (next == 'n' || next == 't' || next == '\\')) {
      literal += next == 'n' ? '\n' : next == 't' ? '\t' : '\\';
      ++at;
    } else if (c == '{') {
      const std::size_t end = std::min(text.find('}', at), text.size());
      if (end == text.size() || end == at + 1)
        throw InputError(concat("text_template: expected a key and '}' behind the '{' at column ",
                                at + 1, ", as in {question}; write {{ for a brace"));
      pattern.keys_.push_back(text.substr(at + 1, end - at - 1));
      pattern.literals_.emplace_back();
      at = end;
    } else if (c == '}') {
      throw InputError(concat("text_template: the '}' at column ", at + 1,
                              " closes nothing; write }} for a brace"));
    } else {
      literal += c;
    }
  }
  if (pattern.keys_.empty())
    throw InputError("text_template: names no key; put one in braces, as in {question}");
  return pattern;
}

std::int64_t read_json_text(std::string_view line, const RowPattern& pattern,
                            const std::string& origin, std::string& text) {
  const std::vector<Found> found = JsonScanner(line, origin).object_values(pattern);
  text = pattern.literals().front();
  std::int64_t lone = 0;
  for (std::size_t i = 0; i < found.size(); ++i) {
    text += found[i].text;
    text += pattern.literals()[i + 1];
    lone += found[i].lone;
  }
  return lone;
}

JsonShape json_shape(std::string_view head, bool whole, bool named) {
  constexpr std::string_view kSpace = " \t\r\n";
  const std::size_t first = head.find_first_not_of(kSpace);
  if (first == head.npos || (head[first] != '{' && head[first] != '[')) return JsonShape::kNone;
  const std::string_view text = head.substr(first);
  const std::size_t inside = text.find_first_not_of(kSpace, 1);
  const char second = inside == text.npos ? '\0' : text[inside];
  const std::size_t end = text.find('\n');
  const std::string_view line = text.substr(0, end);
  const bool line_ends = end != text.npos || whole;
  const bool one_line = JsonScanner(line, kNoOrigin).is_value(!line_ends);
  if (text[0] == '[') {
    if (!named && second != '{') return JsonShape::kNone;
    // Lists in lines are no rows either, but each a row that says so.
    if (named && one_line && second != '{' && line_ends && !whole) return JsonShape::kLines;
    if (named) return JsonShape::kArray;
    const bool is_row =
        JsonScanner(text.substr(inside), kNoOrigin).is_value(!whole, /*first=*/true);
    return is_row ? JsonShape::kArray : JsonShape::kNone;
  }
  if (one_line) return JsonShape::kLines;
  if (!named && second != '"') return JsonShape::kNone;
  // A row over several lines, and perhaps others after it.
  const bool begins_one = JsonScanner(line, kNoOrigin).is_value(/*cut=*/true);
  if (begins_one && end != text.npos) return JsonShape::kObjects;
  return named ? JsonShape::kLines : JsonShape::kNone;
}

}  // namespace gpt
