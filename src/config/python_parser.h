// The statements and expressions of a .py config file.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "python_lexer.h"
#include "python_value.h"

namespace gpt {

struct PythonExpression {
  enum Kind {
    kConstant,     // value
    kName,         // text
    kUnary,        // text: + - not
    kBinary,       // text: the operator, `and` and `or` included
    kConditional,  // operands: then, condition, otherwise
    kCall,         // text: str, int, float, time.time
  };
  Kind kind;
  std::size_t offset;  // where errors point to: the operator, or the first byte
  std::string text = {};
  PythonValue value = {};
  std::vector<PythonExpression> operands = {};
  int depth = 1;  // levels, this one included
};

struct PythonStatement {
  enum Kind { kAssignment, kImportTime };
  Kind kind;
  std::string name;  // the assigned one
  std::size_t line;
  std::size_t offset;
  PythonExpression expression;
};

class PythonParser {
 public:
  // The source must outlive the parser.
  explicit PythonParser(const PythonSource& source);

  // Nothing at the end of the file. InputError for what is no statement of a config file.
  std::optional<PythonStatement> next();

 private:
  [[noreturn]] void fail(const std::string& what) const;
  bool at(const char* name_or_operator) const;
  PythonToken take();
  void skip_docstring();
  void end_statement();
  PythonStatement statement();

  PythonExpression expression();
  PythonExpression disjunction();
  PythonExpression conjunction();
  PythonExpression negation();
  PythonExpression comparison();
  PythonExpression sum();
  PythonExpression product();
  PythonExpression signed_factor();
  PythonExpression power();
  PythonExpression atom();
  PythonExpression name_or_call();
  PythonExpression node(PythonExpression::Kind kind, const PythonToken& token,
                        std::vector<PythonExpression> parts) const;

  const PythonSource& source_;
  PythonLexer lexer_;
  PythonToken token_;  // the next one
  int nesting_ = 0;
};

}  // namespace gpt
