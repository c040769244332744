// Cuts a .py config file into tokens.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace gpt {

struct PythonSource {
  std::string_view text;
  std::string_view name;  // as errors show it
};

// Outlives neither the source nor its text.
struct PythonPlace {
  const PythonSource* source;
  std::size_t offset;  // bytes from the start

  // Throws InputError "NAME:LINE:COLUMN: what"; columns count characters from 1.
  [[noreturn]] void fail(const std::string& what) const;
  // The same for what is Python all right, but not read here. `what` ends with how to write it.
  [[noreturn]] void refuse(const std::string& what) const;
};

using PythonNumber = std::variant<std::int64_t, double>;

struct PythonToken {
  enum Kind { kName, kNumber, kText, kFormat, kOperator, kNewline, kIndent, kDedent, kEnd };
  Kind kind;
  std::size_t offset;  // of its first byte in the source; of a kFormat, of its content's
  std::size_t line;    // from 1
  // The name or the operator as written; a text's content, its escapes resolved. A kFormat is an
  // f-string, whose content is as it stands in the source.
  std::string text = {};
  PythonNumber number = {};
  bool raw = false;  // of a kFormat: backslashes are no escapes

  bool is(std::string_view name_or_operator) const {
    return (kind == kName || kind == kOperator) && text == name_or_operator;
  }
};

// Newlines inside brackets and after a backslash end no line; empty lines are left out, and the
// last one ends before kEnd. InputError for what is no UTF-8, longer than a config can be, or no
// Python.
std::vector<PythonToken> python_tokens(const PythonSource& source);

// Of an expression inside an f-string: bytes `begin` to `end` of the source.
std::vector<PythonToken> python_tokens(const PythonSource& source, std::size_t begin,
                                       std::size_t end);

// The content of a string literal between its quotes. `raw` starts at `place`.
std::string unescape_python(std::string_view raw, const PythonPlace& place);

// A number as it stands in a source: 10, 1_000, 0x1f, 0o17, 0b11, 1e-3, .5, 1. These return what is
// wrong with it, or "" and the number.
std::string read_number(std::string_view digits, PythonNumber* number);

// int("12"), float("1e-3"): with white space around it and a sign.
std::string text_to_int(std::string_view text, PythonNumber* number);
std::string text_to_float(std::string_view text, PythonNumber* number);

}  // namespace gpt
