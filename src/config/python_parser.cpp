#include "python_parser.h"

#include <algorithm>
#include <array>

#include "gpt/base/strings.h"

namespace gpt {

namespace {

// Keeps the recursion of parser, evaluator and destructor far from the end of the stack.
constexpr int kDeepest = 200;

constexpr std::array<std::string_view, 35> kKeywords = {
    "False", "None",     "True",  "and",    "as",   "assert", "async",  "await",    "break",
    "class", "continue", "def",   "del",    "elif", "else",   "except", "finally",  "for",
    "from",  "global",   "if",    "import", "in",   "is",     "lambda", "nonlocal", "not",
    "or",    "pass",     "raise", "return", "try",  "while",  "with",   "yield"};

bool is_keyword(std::string_view name) {
  return std::find(kKeywords.begin(), kKeywords.end(), name) != kKeywords.end();
}

bool is_comparison(const PythonToken& token) {
  constexpr std::array<std::string_view, 6> kComparisons = {"==", "!=", "<", "<=", ">", ">="};
  return token.kind == PythonToken::kOperator &&
         std::find(kComparisons.begin(), kComparisons.end(), token.text) != kComparisons.end();
}

std::string described(const PythonToken& token) {
  switch (token.kind) {
    case PythonToken::kNumber:
      return "a number";
    case PythonToken::kText:
      return "a string";
    case PythonToken::kEndOfStatement:
      return "the end of the statement";
    case PythonToken::kEndOfFile:
      return "the end of the file";
    default:
      return "'" + token.text.substr(0, 40) + "'";
  }
}

// A braced list would copy the trees.
template <class... Trees>
std::vector<PythonExpression> operands(Trees... trees) {
  std::vector<PythonExpression> list;
  list.reserve(sizeof...(trees));
  (list.push_back(std::move(trees)), ...);
  return list;
}

PythonExpression constant(std::size_t offset, PythonValue value) {
  return {PythonExpression::kConstant, offset, {}, std::move(value)};
}

// Counts a level of recursion while it lives.
class Level {
 public:
  explicit Level(int& nesting) : nesting_(nesting) { ++nesting_; }
  ~Level() { --nesting_; }
  Level(const Level&) = delete;
  Level& operator=(const Level&) = delete;

 private:
  int& nesting_;
};

}  // namespace

PythonParser::PythonParser(const PythonSource& source)
    : source_(source), lexer_(source), token_(lexer_.next()) {}

std::optional<PythonStatement> PythonParser::next() {
  while (token_.kind == PythonToken::kText) skip_docstring();
  if (token_.kind == PythonToken::kEndOfFile) return std::nullopt;
  PythonStatement result = statement();
  end_statement();
  return result;
}

void PythonParser::fail(const std::string& what) const {
  PythonPlace{&source_, token_.offset}.fail(what);
}

bool PythonParser::at(const char* name_or_operator) const {
  const bool spelt = token_.kind == PythonToken::kName || token_.kind == PythonToken::kOperator;
  return spelt && token_.text == name_or_operator;
}

PythonToken PythonParser::take() {
  PythonToken token = std::move(token_);
  token_ = lexer_.next();
  return token;
}

void PythonParser::skip_docstring() {
  while (token_.kind == PythonToken::kText) take();
  end_statement();
}

void PythonParser::end_statement() {
  if (token_.kind != PythonToken::kEndOfStatement)
    fail(
        concat("expected the end of the statement, got ", described(token_), "; ", kPythonAllowed));
  take();
}

PythonStatement PythonParser::statement() {
  const PythonPlace start{&source_, token_.offset};
  if (token_.kind != PythonToken::kName)
    fail(concat("expected a statement, got ", described(token_), "; ", kPythonAllowed));
  const PythonToken first = take();
  if (first.text == "import" && at("time")) {
    take();
    return {PythonStatement::kImportTime, "", first.line, first.offset, {}};
  }
  if (is_keyword(first.text) || !at("="))
    start.fail(concat("this statement is not read; ", kPythonAllowed));
  take();
  PythonExpression value = expression();
  if (at("=")) fail("expected one '=' in a statement; assign each name in a line of its own");
  return {PythonStatement::kAssignment, first.text, first.line, first.offset, std::move(value)};
}

PythonExpression PythonParser::node(PythonExpression::Kind kind, const PythonToken& token,
                                    std::vector<PythonExpression> parts) const {
  PythonExpression result{kind, token.offset, token.text, {}, std::move(parts)};
  for (const PythonExpression& operand : result.operands)
    result.depth = std::max(result.depth, operand.depth + 1);
  if (result.depth > kDeepest)
    PythonPlace{&source_, token.offset}.fail(
        concat("the expression is more than ", kDeepest, " levels deep; split it"));
  return result;
}

PythonExpression PythonParser::expression() {
  const Level level(nesting_);
  if (nesting_ > kDeepest)
    fail(concat("the expression is more than ", kDeepest, " levels deep; split it"));
  PythonExpression then = disjunction();
  if (!at("if")) return then;
  const PythonToken token = take();
  PythonExpression condition = disjunction();
  if (!at("else")) fail("expected 'else', got " + described(token_));
  take();
  PythonExpression otherwise = expression();
  return node(PythonExpression::kConditional, token,
              operands(std::move(then), std::move(condition), std::move(otherwise)));
}

PythonExpression PythonParser::disjunction() {
  PythonExpression left = conjunction();
  while (at("or")) {
    const PythonToken token = take();
    PythonExpression right = conjunction();
    left = node(PythonExpression::kBinary, token, operands(std::move(left), std::move(right)));
  }
  return left;
}

PythonExpression PythonParser::conjunction() {
  PythonExpression left = negation();
  while (at("and")) {
    const PythonToken token = take();
    PythonExpression right = negation();
    left = node(PythonExpression::kBinary, token, operands(std::move(left), std::move(right)));
  }
  return left;
}

PythonExpression PythonParser::negation() {
  if (!at("not")) return comparison();
  const Level level(nesting_);
  if (nesting_ > kDeepest) fail("too many 'not' in a row");
  const PythonToken token = take();
  return node(PythonExpression::kUnary, token, operands(negation()));
}

PythonExpression PythonParser::comparison() {
  PythonExpression left = sum();
  if (!is_comparison(token_)) return left;
  const PythonToken token = take();
  PythonExpression right = sum();
  if (is_comparison(token_)) fail("a chain of comparisons is not read; join two with 'and'");
  return node(PythonExpression::kBinary, token, operands(std::move(left), std::move(right)));
}

PythonExpression PythonParser::sum() {
  PythonExpression left = product();
  while (at("+") || at("-")) {
    const PythonToken token = take();
    PythonExpression right = product();
    left = node(PythonExpression::kBinary, token, operands(std::move(left), std::move(right)));
  }
  return left;
}

PythonExpression PythonParser::product() {
  PythonExpression left = signed_factor();
  while (at("*") || at("/") || at("//") || at("%")) {
    const PythonToken token = take();
    PythonExpression right = signed_factor();
    left = node(PythonExpression::kBinary, token, operands(std::move(left), std::move(right)));
  }
  return left;
}

PythonExpression PythonParser::signed_factor() {
  if (!at("+") && !at("-")) return power();
  const Level level(nesting_);
  if (nesting_ > kDeepest) fail("too many signs in a row");
  const PythonToken token = take();
  return node(PythonExpression::kUnary, token, operands(signed_factor()));
}

// Binds tighter than a sign on its left and looser than one on its right: -2**-2 is -(2**(-2)).
PythonExpression PythonParser::power() {
  PythonExpression base = atom();
  if (!at("**")) return base;
  const Level level(nesting_);
  if (nesting_ > kDeepest) fail("too many powers in a row");
  const PythonToken token = take();
  PythonExpression exponent = signed_factor();
  return node(PythonExpression::kBinary, token, operands(std::move(base), std::move(exponent)));
}

PythonExpression PythonParser::atom() {
  if (token_.kind == PythonToken::kName) return name_or_call();
  const std::size_t offset = token_.offset;
  if (token_.kind == PythonToken::kNumber) {
    const auto as_value = [](auto number) { return PythonValue(number); };
    return constant(offset, std::visit(as_value, take().number));
  }
  if (token_.kind == PythonToken::kText) {
    std::string text;
    while (token_.kind == PythonToken::kText) text += take().text;
    return constant(offset, std::move(text));
  }
  if (!at("(")) fail(concat("expected a value, got ", described(token_), "; ", kPythonAllowed));
  take();
  PythonExpression result = expression();
  if (!at(")")) fail("expected ')', got " + described(token_));
  take();
  return result;
}

PythonExpression PythonParser::name_or_call() {
  PythonToken token = take();
  if (token.text == "None") return constant(token.offset, {});
  if (token.text == "True" || token.text == "False")
    return constant(token.offset, token.text == "True");
  const PythonPlace place{&source_, token.offset};
  if (is_keyword(token.text))
    place.fail(concat("expected a value, got ", described(token), "; ", kPythonAllowed));
  if (at(".")) {
    take();
    if (token.text != "time" || !at("time"))
      place.fail(concat("this is not read; ", kPythonAllowed));
    take();
    token.text = "time.time";
  }
  const bool is_time = token.text == "time.time";
  if (!at("(") && !is_time) return node(PythonExpression::kName, token, {});
  if (!is_time && token.text != "str" && token.text != "int" && token.text != "float")
    place.fail(concat("a call of ", token.text.substr(0, 40), "() is not read; ", kPythonAllowed));
  if (!at("(")) fail("expected '(', got " + described(token_));
  take();
  std::vector<PythonExpression> arguments;
  if (!is_time) arguments.push_back(expression());
  if (!at(")")) fail("expected ')', got " + described(token_));
  take();
  return node(PythonExpression::kCall, token, std::move(arguments));
}

}  // namespace gpt
