#include "python_lexer.h"

#include <algorithm>

#include "gpt/base/strings.h"
#include "gpt/base/terminal.h"

#include "python_number.h"

namespace gpt {

namespace {

constexpr std::size_t kLongestFile = 1 << 20;

bool is_newline(char c) {
  return c == '\n' || c == '\r';
}
bool is_name_start(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
bool is_name_char(char c) {
  return is_name_start(c) || is_digit(c);
}

// Longest first. Those that no expression knows are cut all the same, for the parser's errors.
constexpr std::string_view kOperators[] = {
    "**=", "//=", ">>=", "<<=", "...", "**", "//", "==", "!=", "<=", ">=", "+=",
    "-=",  "*=",  "/=",  "%=",  "&=",  "|=", "^=", "@=", ":=", "->", "<<", ">>",
    "+",   "-",   "*",   "/",   "%",   "=",  "<",  ">",  "(",  ")",  "[",  "]",
    "{",   "}",   ",",   ".",   ":",   "&",  "|",  "^",  "~",  "@"};

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

PythonLexer::PythonLexer(const PythonSource& source) : source_(source), text_(source.text) {
  check_text(source);
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  if (text_.starts_with(kByteOrderMark)) at_ = kByteOrderMark.size();
  check_indentation();
}

PythonToken PythonLexer::next() {
  while (ready_.empty() && at_ < text_.size()) scan();
  if (ready_.empty()) {
    if (open_ > 0) fail(open_at_, "this bracket is never closed");
    end_statement();
    add(PythonToken::kEndOfFile, at_, "");
  }
  PythonToken token = std::move(ready_.front());
  ready_.pop_front();
  return token;
}

void PythonLexer::fail(std::size_t at, const std::string& what) const {
  PythonPlace{&source_, at}.fail(what);
}

char PythonLexer::peek(std::size_t ahead) const {
  return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
}

PythonToken& PythonLexer::add(PythonToken::Kind kind, std::size_t offset, std::string text) {
  in_statement_ = kind != PythonToken::kEndOfStatement;
  ready_.push_back({kind, offset, line_, std::move(text)});
  return ready_.back();
}

void PythonLexer::end_statement() {
  if (in_statement_) add(PythonToken::kEndOfStatement, at_, "");
}

void PythonLexer::skip_newline() {
  at_ += text_.substr(at_, 2) == "\r\n" ? 2 : 1;
  ++line_;
}

void PythonLexer::skip_blanks() {
  while (peek() == ' ' || peek() == '\t' || peek() == '\f') ++at_;
}

// Stands at the start of a line that does not continue another.
void PythonLexer::check_indentation() {
  const std::size_t start = at_;
  skip_blanks();
  const bool blank = at_ >= text_.size() || is_newline(peek()) || peek() == '#';
  if (at_ > start && !blank)
    fail(at_, "unexpected indentation; every statement starts at the line's first column");
}

void PythonLexer::scan() {
  const char c = peek();
  if (c == ' ' || c == '\t' || c == '\f') {
    skip_blanks();
  } else if (c == '#') {
    while (at_ < text_.size() && !is_newline(peek())) ++at_;
  } else if (is_newline(c)) {
    if (open_ == 0) end_statement();
    skip_newline();
    if (open_ == 0) check_indentation();
  } else if (c == '\\') {
    ++at_;
    if (at_ >= text_.size() || !is_newline(peek()))
      fail(at_ - 1, "a backslash may only stand at a line's end");
    skip_newline();
  } else if (c == ';' && open_ == 0) {
    if (!in_statement_) fail(at_, "expected a statement before ;");
    end_statement();
    ++at_;
  } else if (is_digit(c) || (c == '.' && is_digit(peek(1)))) {
    scan_number();
  } else if (c == '"' || c == '\'') {
    scan_text();
  } else if (is_name_start(c)) {
    scan_name();
  } else {
    scan_operator();
  }
}

void PythonLexer::scan_name() {
  const std::size_t start = at_;
  while (is_name_char(peek())) ++at_;
  const std::string name(text_.substr(start, at_ - start));
  if (peek() == '"' || peek() == '\'')
    fail(start, concat("strings with the prefix ", name.substr(0, 20),
                       " are not read; write a plain one"));
  add(PythonToken::kName, start, name);
}

void PythonLexer::scan_number() {
  const std::size_t start = at_;
  const bool prefixed = peek() == '0' && (peek(1) | 0x20) >= 'a' && (peek(1) | 0x20) != 'e';
  // Takes all that touches, so that 1.2.3 and 12abc are one wrong number.
  while (is_name_char(peek()) || peek() == '.' ||
         (!prefixed && (peek() == '+' || peek() == '-') && (text_[at_ - 1] | 0x20) == 'e'))
    ++at_;
  const PythonPlace place{&source_, start};
  const auto number = read_number(text_.substr(start, at_ - start), place);
  add(PythonToken::kNumber, start, "").number = number;
}

void PythonLexer::scan_text() {
  const std::size_t start = at_;
  const char quote = peek();
  const std::string three(3, quote);
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
  const PythonPlace place{&source_, first};
  std::string content = unescape_python(text_.substr(first, at_ - first), place);
  at_ += end.size();
  add(PythonToken::kText, start, std::move(content));
}

void PythonLexer::scan_operator() {
  for (const std::string_view candidate : kOperators) {
    if (!text_.substr(at_).starts_with(candidate)) continue;
    const char c = candidate[0];
    if ((c == '(' || c == '[' || c == '{') && open_++ == 0) open_at_ = at_;
    if ((c == ')' || c == ']' || c == '}') && open_-- == 0)
      fail(at_, "this bracket closes nothing");
    add(PythonToken::kOperator, at_, std::string(candidate));
    at_ += candidate.size();
    return;
  }
  const auto byte = static_cast<unsigned char>(peek());
  if (byte >= 0x80) fail(at_, "only strings and comments may hold characters beyond ASCII");
  fail(at_, byte > 0x20 && byte < 0x7F ? format("unexpected character '%c'", byte)
                                       : format("unexpected character 0x%02X", byte));
}

}  // namespace gpt
