// Cuts a .py config file into tokens, one at a time, so that the first error of a file is reported.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <variant>

#include "python_source.h"

namespace gpt {

struct PythonToken {
  enum Kind { kName, kNumber, kText, kOperator, kEndOfStatement, kEndOfFile };
  Kind kind;
  std::size_t offset;  // of its first byte in the source
  std::size_t line;    // from 1; a text's last one
  // The name or the operator as written; a text's content, its escapes resolved.
  std::string text = {};
  std::variant<std::int64_t, double> number = {};
};

// Newlines inside brackets and after a backslash end no statement; empty statements are left out,
// and the last one ends before the end of file. InputError for what no config file holds.
class PythonLexer {
 public:
  // The source must outlive the lexer. Fails if it is no UTF-8, or longer than a config can be.
  explicit PythonLexer(const PythonSource& source);

  // After kEndOfFile there is nothing more to take.
  PythonToken next();

 private:
  [[noreturn]] void fail(std::size_t at, const std::string& what) const;
  char peek(std::size_t ahead = 0) const;
  PythonToken& add(PythonToken::Kind kind, std::size_t offset, std::string text);
  void end_statement();
  void skip_newline();
  void skip_blanks();
  void check_indentation();
  void scan();
  void scan_name();
  void scan_number();
  void scan_text();
  void scan_operator();

  const PythonSource& source_;
  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t line_ = 1;
  bool in_statement_ = false;
  std::size_t open_ = 0;     // brackets of any kind
  std::size_t open_at_ = 0;  // the outermost open one
  std::deque<PythonToken> ready_;
};

// The content of a string literal between its quotes. `raw` starts at `place`.
std::string unescape_python(std::string_view raw, const PythonPlace& place);

}  // namespace gpt
