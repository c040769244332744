#include "python_lexer.h"

#include <algorithm>
#include <charconv>

#include "gpt/base/error.h"
#include "gpt/base/strings.h"
#include "gpt/base/terminal.h"

namespace gpt {

namespace {

constexpr std::size_t kLongestFile = 1 << 20;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_newline(char c) {
  return c == '\n' || c == '\r';
}
bool is_name_start(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
bool is_name_char(char c) {
  return is_name_start(c) || is_digit(c);
}

// Longest first. Those that no expression knows are cut all the same, for the evaluator's errors.
constexpr std::string_view kOperators[] = {
    "**=", "//=", ">>=", "<<=", "...", "**", "//", "==", "!=", "<=", ">=", "+=",
    "-=",  "*=",  "/=",  "%=",  "&=",  "|=", "^=", "@=", ":=", "->", "<<", ">>",
    "+",   "-",   "*",   "/",   "%",   "=",  "<",  ">",  "(",  ")",  "[",  "]",
    "{",   "}",   ",",   ".",   ":",   "&",  "|",  "^",  "~",  "@",  ";"};

void append_utf8(std::uint32_t code, std::string& out) {
  const unsigned more = code < 0x80 ? 0 : code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
  const std::uint32_t lead = more == 0 ? 0 : 0xFF00u >> (more + 1) & 0xFF;
  out += static_cast<char>(lead | code >> 6 * more);
  for (unsigned i = more; i-- > 0;) out += static_cast<char>(0x80 | (code >> 6 * i & 0x3F));
}

class Lexer {
 public:
  Lexer(const PythonSource& source, std::size_t begin, std::size_t end, bool in_brackets)
      : source_(source), text_(source.text.substr(0, end)), at_(begin), inside_(in_brackets) {}

  std::vector<PythonToken> run() {
    if (!inside_) indent();
    while (at_ < text_.size()) scan();
    if (!open_.empty()) fail(open_.back(), "this bracket is never closed");
    end_line();
    for (; indents_.size() > 1; indents_.pop_back()) add(PythonToken::kDedent, at_);
    add(PythonToken::kEnd, at_);
    return std::move(tokens_);
  }

 private:
  [[noreturn]] void fail(std::size_t at, const std::string& what) const {
    PythonPlace{&source_, at}.fail(what);
  }
  char peek(std::size_t ahead = 0) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
  }
  PythonToken& add(PythonToken::Kind kind, std::size_t offset, std::string_view text = {}) {
    return tokens_.emplace_back(PythonToken{kind, offset, line_, std::string(text)});
  }
  bool joined() const { return inside_ || !open_.empty(); }
  void end_line() {
    if (!inside_ && !tokens_.empty() && tokens_.back().kind < PythonToken::kNewline)
      add(PythonToken::kNewline, at_);
  }
  void skip_newline() {
    at_ += text_.substr(at_, 2) == "\r\n" ? 2 : 1;
    ++line_;
  }

  // Stands at the start of a line that does not continue another.
  void indent() {
    std::size_t column = 0;
    for (;; ++at_) {
      if (peek() == '\t')
        column += 8 - column % 8;
      else if (peek() == ' ')
        ++column;
      else if (peek() != '\f')
        break;
    }
    if (at_ >= text_.size() || is_newline(peek()) || peek() == '#') return;
    if (column > indents_.back()) {
      indents_.push_back(column);
      add(PythonToken::kIndent, at_);
    }
    for (; column < indents_.back(); indents_.pop_back()) add(PythonToken::kDedent, at_);
    if (column != indents_.back()) fail(at_, "this indentation fits no line above");
  }

  void scan() {
    const char c = peek();
    if (c == ' ' || c == '\t' || c == '\f') {
      ++at_;
    } else if (c == '#') {
      while (at_ < text_.size() && !is_newline(peek())) ++at_;
    } else if (is_newline(c)) {
      if (!joined()) end_line();
      skip_newline();
      if (!joined()) indent();
    } else if (c == '\\') {
      ++at_;
      if (at_ >= text_.size() || !is_newline(peek()))
        fail(at_ - 1, "a backslash may only stand at a line's end");
      skip_newline();
    } else if (is_digit(c) || (c == '.' && is_digit(peek(1)))) {
      scan_number();
    } else if (c == '"' || c == '\'') {
      scan_text("");
    } else if (is_name_start(c)) {
      scan_name();
    } else {
      scan_operator();
    }
  }

  void scan_name() {
    const std::size_t start = at_;
    while (is_name_char(peek())) ++at_;
    const std::string name(text_.substr(start, at_ - start));
    if (peek() != '"' && peek() != '\'') {
      add(PythonToken::kName, start, name);
      return;
    }
    std::string prefix = name;
    for (char& c : prefix) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
    constexpr std::string_view kPrefixes[] = {"r", "u", "f", "fr", "rf"};
    if (std::find(std::begin(kPrefixes), std::end(kPrefixes), prefix) == std::end(kPrefixes))
      fail(start, concat("strings with the prefix ", name.substr(0, 20),
                         " are not read; write a plain one"));
    scan_text(prefix);
  }

  void scan_number() {
    const std::size_t start = at_;
    const bool prefixed = peek() == '0' && (peek(1) | 0x20) >= 'a' && (peek(1) | 0x20) != 'e';
    // Takes all that touches, so that 1.2.3 and 12abc are one wrong number.
    while (is_name_char(peek()) || peek() == '.' ||
           (!prefixed && (peek() == '+' || peek() == '-') && (text_[at_ - 1] | 0x20) == 'e'))
      ++at_;
    PythonNumber number;
    const std::string wrong = read_number(text_.substr(start, at_ - start), &number);
    if (!wrong.empty()) fail(start, wrong);
    add(PythonToken::kNumber, start).number = number;
  }

  void scan_text(std::string_view prefix) {
    const std::size_t start = at_;
    const std::size_t line = line_;
    const std::string three(3, peek());
    const bool is_long = text_.substr(at_, 3) == three;
    const std::string_view end = is_long ? std::string_view(three) : text_.substr(at_, 1);
    at_ += end.size();
    const std::size_t first = at_;
    while (text_.substr(at_, end.size()) != end) {
      if (peek() == '\\') ++at_;
      if (at_ >= text_.size() || (!is_long && is_newline(peek()) && text_[at_ - 1] != '\\'))
        fail(start, "this string is never closed");
      if (is_newline(peek()))
        skip_newline();
      else
        ++at_;
    }
    const std::string_view content = text_.substr(first, at_ - first);
    at_ += end.size();
    const bool raw = prefix.find('r') != std::string_view::npos;
    if (prefix.find('f') != std::string_view::npos)
      add(PythonToken::kFormat, first, content).raw = raw;
    else
      add(PythonToken::kText, start, raw ? content : unescape_python(content, {&source_, first}));
    tokens_.back().line = line;
  }

  void scan_operator() {
    for (const std::string_view candidate : kOperators) {
      if (!text_.substr(at_).starts_with(candidate)) continue;
      const char c = candidate[0];
      if (c == '(' || c == '[' || c == '{') open_.push_back(at_);
      if (c == ')' || c == ']' || c == '}') {
        if (open_.empty()) fail(at_, "this bracket closes nothing");
        open_.pop_back();
      }
      add(PythonToken::kOperator, at_, candidate);
      at_ += candidate.size();
      return;
    }
    const auto byte = static_cast<unsigned char>(peek());
    if (byte >= 0x80)
      fail(at_, "only strings and comments may hold characters beyond ASCII; use another name");
    fail(at_, byte > 0x20 && byte < 0x7F ? format("unexpected character '%c'", byte)
                                         : format("unexpected character 0x%02X", byte));
  }

  const PythonSource& source_;
  std::string_view text_;
  std::size_t at_;
  bool inside_;  // an f-string's braces
  std::size_t line_ = 1;
  std::vector<std::size_t> open_;        // brackets of any kind
  std::vector<std::size_t> indents_{0};  // columns
  std::vector<PythonToken> tokens_;
};

void check_text(const PythonSource& source) {
  if (source.text.size() > kLongestFile)
    PythonPlace{&source, 0}.fail(
        concat("the file has ", source.text.size(), " bytes; a config has at most ", kLongestFile));
  std::size_t start = 0;
  while (start < source.text.size()) {
    const std::size_t end = std::min(source.text.find('\n', start), source.text.size() - 1) + 1;
    if (!is_utf8(source.text.substr(start, end - start)))
      PythonPlace{&source, start}.fail("this line is not UTF-8; save the file as UTF-8");
    start = end;
  }
}

}  // namespace

void PythonPlace::fail(const std::string& what) const {
  const std::string_view before = source->text.substr(0, offset);
  std::size_t line = 1;
  std::size_t start = 0;
  for (std::size_t i = 0; i < before.size(); ++i) {
    const bool crlf =
        before[i] == '\r' && i + 1 < source->text.size() && source->text[i + 1] == '\n';
    if (before[i] != '\n' && (before[i] != '\r' || crlf)) continue;
    ++line;
    start = i + 1;
  }
  const std::string_view left = before.substr(start);
  const auto is_first_byte = [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; };
  const auto column = 1 + std::count_if(left.begin(), left.end(), is_first_byte);
  throw InputError(concat(source->name, ":", line, ":", column, ": ", what));
}

void PythonPlace::refuse(const std::string& what) const {
  fail(what + ", or let a Python of yours run the file: --config_python=python3");
}

std::vector<PythonToken> python_tokens(const PythonSource& source) {
  check_text(source);
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  const std::size_t begin = source.text.starts_with(kByteOrderMark) ? kByteOrderMark.size() : 0;
  return Lexer(source, begin, source.text.size(), false).run();
}

std::vector<PythonToken> python_tokens(const PythonSource& source, std::size_t begin,
                                       std::size_t end) {
  return Lexer(source, begin, end, true).run();
}

std::string unescape_python(std::string_view raw, const PythonPlace& place) {
  constexpr std::string_view kLetters = "\\'\"abfnrtv", kMeanings = "\\'\"\a\b\f\n\r\t\v";
  std::string out;
  for (std::size_t at = 0; at < raw.size();) {
    const PythonPlace here{place.source, place.offset + at};
    const char c = raw[at++];
    if (c != '\\') {
      // Python reads every line end as \n.
      if (c == '\r' && raw.substr(at, 1) == "\n") ++at;
      out += c == '\r' ? '\n' : c;
      continue;
    }
    const char letter = at < raw.size() ? raw[at] : '\0';
    if (const auto i = kLetters.find(letter); i != std::string_view::npos) {
      out += kMeanings[i];
      ++at;
    } else if (is_newline(letter)) {
      at += raw.substr(at, 2) == "\r\n" ? 2 : 1;
    } else if (std::string_view("01234567xuU").find(letter) != std::string_view::npos) {
      const bool octal = is_digit(letter);
      if (!octal) ++at;
      const std::size_t digits = octal ? 3 : letter == 'x' ? 2 : letter == 'u' ? 4 : 8;
      std::uint32_t code = 0;
      const std::string_view number = raw.substr(at, digits);
      const auto [end, error] =
          std::from_chars(number.data(), number.data() + number.size(), code, octal ? 8 : 16);
      const auto taken = static_cast<std::size_t>(end - number.data());
      if (!octal && taken < digits)
        here.fail(concat("this escape needs ", digits, " hexadecimal digits"));
      if (code > 0x10FFFF || (code >= 0xD800 && code < 0xE000))
        here.fail("this escape is no character of Unicode");
      append_utf8(code, out);
      at += taken;
    } else if (letter == 'N') {
      here.fail("escapes by character name are not read; write \\u and four digits");
    } else {
      out += '\\';  // as Python does, with a warning
    }
  }
  return out;
}

}  // namespace gpt
