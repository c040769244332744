// Runs the statements of a .py config file as it reads them, in one pass: what is not to be
// evaluated (the other branch of an `if`, the right side of a decided `and`) is read all the same.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "gpt/config/python_reader.h"

#include "python_functions.h"
#include "python_lexer.h"
#include "python_value.h"

namespace gpt {

class PythonEvaluator {
 public:
  // The texts and defaults must outlive it.
  PythonEvaluator(PythonSource source, const Lookup& defaults)
      : source_(source), defaults_(defaults) {}

  PythonConfig run();

 private:
  // What stands left of an `=`: a name, or several in brackets or with commas between.
  struct Target {
    const PythonToken* token;  // a name's, or the first one's
    bool is_list = false;
    std::vector<Target> parts = {};
  };
  class Level;

  // python_statements.cpp
  void statement();
  void simple_statements();
  void simple_statement();
  void conditional_statement();
  void block(bool run);
  void import_statement();
  void from_import_statement();
  bool assignment_follows() const;
  void assignment();
  void augmented_assignment();
  Target target_list();
  Target target();
  void assign(const Target& target, const PythonValue& value);
  void assign_name(const PythonToken& name, const PythonValue& value);

  // python_evaluator.cpp
  PythonValue made(PythonValue value, const PythonPlace& where);  // counts its bytes
  PythonValue expression_list();                                  // a tuple where there are commas
  PythonValue expression();
  PythonValue skipped(PythonValue (PythonEvaluator::*part)());
  PythonValue disjunction();
  PythonValue conjunction();
  PythonValue negation();
  PythonValue comparison();
  std::string comparison_operator();
  PythonValue binary(std::size_t level);
  PythonValue unary();
  PythonValue power();
  PythonValue postfix();
  PythonArguments arguments();
  PythonValue get_item(const PythonValue& dict, const PythonPlace& where);
  PythonValue atom();
  PythonValue name(const PythonToken& token);
  PythonValue bracketed(PythonContainer::Kind kind, const char* close);
  PythonValue dict();
  PythonValue texts();
  std::string format_text(std::size_t offset, std::string_view content, bool raw);
  std::string field(std::size_t offset, std::string_view content, std::size_t& at);

  bool at(std::string_view name_or_operator) const { return next().is(name_or_operator); }
  const PythonToken& next() const { return tokens_[at_]; }
  const PythonToken& take() { return tokens_[at_++]; }
  bool take_if(std::string_view name_or_operator);
  const PythonToken& take_name();
  void expect(const char* name_or_operator);
  void end_line();
  PythonPlace place(const PythonToken& token) const { return {&source_, token.offset}; }
  [[noreturn]] void fail(const std::string& what) const { place(next()).fail(what); }

  const PythonSource source_;
  const Lookup& defaults_;
  std::vector<PythonToken> tokens_;
  std::size_t at_ = 0;
  bool skip_ = false;  // read, and do not evaluate: every value is None
  int nesting_ = 0;
  std::map<std::string, PythonValue> variables_;
  std::set<std::string> read_;
  std::size_t weight_ = 0;  // of all values so far
  PythonConfig config_;
};

// Counts a level of recursion while it lives.
class PythonEvaluator::Level {
 public:
  explicit Level(PythonEvaluator& evaluator);
  ~Level() { --nesting_; }
  Level(const Level&) = delete;
  Level& operator=(const Level&) = delete;

 private:
  int& nesting_;
};

bool is_python_keyword(std::string_view name);
std::string described(const PythonToken& token);

}  // namespace gpt
