// JSON as it is read: what the readers of rows have in common.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "gpt/base/strings.h"

namespace gpt {

// Steps through one text that is held to RFC 8259, NaN and Infinity of Python's json module aside.
// Bytes in strings that are no UTF-8 pass. Every method reads at `at_` and goes on behind what it
// read; InputError "ORIGIN: expected ...".
class JsonScanner {
 public:
  JsonScanner(std::string_view line, const std::string& origin) : line_(line), origin_(origin) {}

  // Whether it is one value and nothing else; `cut`: or the beginning of one; `first`: or whatever
  // comes after it.
  bool is_value(bool cut, bool first = false);

 protected:
  static constexpr int kMaxDepth = 256;

  static bool is_digit(char c) { return c >= '0' && c <= '9'; }
  char peek() const { return at_ < line_.size() ? line_[at_] : '\0'; }
  void space();
  [[noreturn]] void fail(const std::string& wanted) const;

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
  void member_name(std::string* name);  // and the colon

  void value(int depth);  // skips any
  void literal();
  void number();
  // Decodes a string into `out`, if that is not null; returns the lone surrogates in it.
  std::int64_t string(std::string* out);
  // To the object that the line is; `wanted` for the error.
  void enter_object(const std::string& wanted);
  void leave_object();  // behind it is nothing
  // What the object that the line is has instead of what was looked for, for the error.
  std::string found_keys();

  std::string_view line_;
  const std::string& origin_;
  std::size_t at_ = 0;

 private:
  void digits();
  std::int64_t escape(std::string* out);
  char32_t hex4();
};

}  // namespace gpt
