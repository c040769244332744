#include "python_evaluator.h"

#include <algorithm>
#include <array>
#include <utility>

#include "gpt/base/strings.h"

namespace gpt {

namespace {

// Keeps the recursion far from the end of the stack.
constexpr int kDeepest = 64;

// From the loosest to the tightest.
constexpr std::array<std::array<std::string_view, 4>, 2> kBinary{
    {{"+", "-"}, {"*", "/", "//", "%"}}};

constexpr std::array<std::string_view, 35> kKeywords = {
    "False", "None",     "True",  "and",    "as",   "assert", "async",  "await",    "break",
    "class", "continue", "def",   "del",    "elif", "else",   "except", "finally",  "for",
    "from",  "global",   "if",    "import", "in",   "is",     "lambda", "nonlocal", "not",
    "or",    "pass",     "raise", "return", "try",  "while",  "with",   "yield"};

}  // namespace

bool is_python_keyword(std::string_view name) {
  return std::find(kKeywords.begin(), kKeywords.end(), name) != kKeywords.end();
}

std::string described(const PythonToken& token) {
  switch (token.kind) {
    case PythonToken::kName:
    case PythonToken::kOperator:
      return "'" + token.text.substr(0, 40) + "'";
    case PythonToken::kNumber:
      return "a number";
    case PythonToken::kText:
    case PythonToken::kFormat:
      return "a string";
    case PythonToken::kIndent:
      return "an indentation";
    case PythonToken::kEnd:
      return "the end of the file";
    default:
      return "the end of the line";
  }
}

PythonEvaluator::Level::Level(PythonEvaluator& evaluator) : nesting_(evaluator.nesting_) {
  if (++nesting_ > kDeepest)
    evaluator.fail(concat("this is more than ", kDeepest, " levels deep; split it"));
}

bool PythonEvaluator::take_if(std::string_view name_or_operator) {
  if (!at(name_or_operator)) return false;
  ++at_;
  return true;
}

const PythonToken& PythonEvaluator::take_name() {
  if (next().kind != PythonToken::kName || is_python_keyword(next().text))
    fail("expected a name, got " + described(next()));
  return take();
}

void PythonEvaluator::expect(const char* name_or_operator) {
  if (!take_if(name_or_operator))
    fail(concat("expected '", name_or_operator, "', got ", described(next())));
}

PythonValue PythonEvaluator::skipped(PythonValue (PythonEvaluator::*part)()) {
  const bool before = skip_;
  skip_ = true;
  (this->*part)();
  skip_ = before;
  return {};
}

PythonValue PythonEvaluator::made(PythonValue value, const PythonPlace& where) {
  constexpr std::size_t kMost = std::size_t{64} << 20;
  weight_ += weight_of(value);
  if (weight_ > kMost) where.fail("this file makes more than 64 MiB of values; make it simpler");
  return value;
}

PythonValue PythonEvaluator::expression_list() {
  const PythonPlace first = place(next());
  PythonValue value = expression();
  if (!at(",")) return value;
  PythonItems items{std::move(value)};
  while (take_if(","))
    if (next().kind < PythonToken::kNewline && !at("=") && !at(";"))
      items.push_back(expression());
    else
      break;
  return made(make_container(PythonContainer::kTuple, std::move(items), first), first);
}

// What stands before the `if` of `a if c else b` must wait until c is known.
PythonValue PythonEvaluator::expression() {
  const Level level(*this);
  if (at("lambda"))
    place(next()).refuse("a function of the file's own is not read; write its result");
  const std::size_t start = at_;
  skipped(&PythonEvaluator::disjunction);
  if (at("for") || at("async"))
    place(next()).refuse("a comprehension is not read; write its values");
  if (at(":=")) place(next()).refuse("':=' is not read; assign the name in a line of its own");
  const bool conditional = take_if("if");
  if (!conditional && skip_) return {};
  if (!conditional) {
    at_ = start;
    return disjunction();
  }
  const PythonPlace where = place(next());
  const PythonValue condition = disjunction();
  expect("else");
  if (skip_ || !is_true(condition, where)) return expression();
  const std::size_t otherwise = at_;
  at_ = start;
  PythonValue value = disjunction();
  at_ = otherwise;
  skipped(&PythonEvaluator::expression);
  return value;
}

PythonValue PythonEvaluator::disjunction() {
  PythonPlace where = place(next());
  PythonValue left = conjunction();
  while (take_if("or")) {
    const bool decided = !skip_ && is_true(left, where);
    where = place(next());
    if (decided)
      skipped(&PythonEvaluator::conjunction);
    else
      left = conjunction();
  }
  return left;
}

PythonValue PythonEvaluator::conjunction() {
  PythonPlace where = place(next());
  PythonValue left = negation();
  while (take_if("and")) {
    const bool decided = !skip_ && !is_true(left, where);
    where = place(next());
    if (decided)
      skipped(&PythonEvaluator::negation);
    else
      left = negation();
  }
  return left;
}

PythonValue PythonEvaluator::negation() {
  const PythonPlace where = place(next());
  if (!take_if("not")) return comparison();
  const Level level(*this);
  const PythonValue value = negation();
  return skip_ ? PythonValue() : apply_unary("not", value, where);
}

// The operator that comes next, "" for none; "in" and "is" may have a "not ".
std::string PythonEvaluator::comparison_operator() {
  if (at("not") && tokens_[at_ + 1].is("in")) {
    at_ += 2;
    return "not in";
  }
  for (const char* known : {"==", "!=", "<", "<=", ">", ">=", "in", "is"})
    if (take_if(known)) return known == std::string("is") && take_if("not") ? "not is" : known;
  return "";
}

// a < b < c is a < b and b < c.
PythonValue PythonEvaluator::comparison() {
  PythonValue left = binary(0);
  bool holds = true, compared = false;
  for (;;) {
    const PythonPlace where = place(next());
    std::string operation = comparison_operator();
    if (operation.empty()) break;
    compared = true;
    const bool negated = operation.starts_with("not ");
    if (negated) operation.erase(0, 4);
    const bool before = skip_;
    skip_ |= !holds;
    PythonValue right = binary(0);
    if (!skip_) holds = is_true(apply_binary(operation, left, right, where), where) != negated;
    skip_ = before;
    left = std::move(right);
  }
  return compared ? PythonValue(holds) : left;
}

PythonValue PythonEvaluator::binary(std::size_t level) {
  if (level == kBinary.size()) return unary();
  PythonValue left = binary(level + 1);
  for (;;) {
    const PythonToken& token = next();
    const auto& operators = kBinary[level];
    if (token.kind != PythonToken::kOperator ||
        std::find(operators.begin(), operators.end(), token.text) == operators.end())
      return left;
    ++at_;
    const PythonValue right = binary(level + 1);
    if (!skip_) left = made(apply_binary(token.text, left, right, place(token)), place(token));
  }
}

PythonValue PythonEvaluator::unary() {
  const PythonToken& token = next();
  if (!at("+") && !at("-")) return power();
  const Level level(*this);
  ++at_;
  const PythonValue value = unary();
  return skip_ ? PythonValue() : apply_unary(token.text, value, place(token));
}

// Binds tighter than a sign on its left and looser than one on its right: -2**-2 is -(2**(-2)).
PythonValue PythonEvaluator::power() {
  const PythonValue base = postfix();
  const PythonToken& token = next();
  if (!take_if("**")) return base;
  const Level level(*this);
  const PythonValue exponent = unary();
  return skip_ ? PythonValue() : apply_binary("**", base, exponent, place(token));
}

PythonValue PythonEvaluator::postfix() {
  PythonValue value = atom();
  for (;;) {
    const PythonPlace where = place(next());
    const auto* object = std::get_if<PythonObject>(&value);
    if (take_if(".")) {
      const std::string attribute = take_name().text;
      if (object)
        value = attribute_of(*object, attribute);
      else if (attribute == "get" && at("("))
        value = get_item(value, where);
      else if (!skip_)
        where.refuse(concat("what ", kind_of(value), ".", attribute.substr(0, 40),
                            " is, is not known here; write its value"));
    } else if (at("(")) {
      if (!object && !skip_) where.fail("cannot call " + kind_of(value));
      const PythonArguments given = arguments();
      if (!skip_) value = made(call_function(object->name, given), where);
    } else if (take_if("[")) {
      PythonArguments index{where, {expression()}};
      if (at(":") || at(",")) place(next()).refuse("slices are not read; write the values");
      expect("]");
      if (skip_) continue;
      const bool environment = object && object->name == "os.environ";
      value = made(
          environment ? environment_variable(index) : element_of(value, index.values[0], where),
          where);
    } else {
      return value;
    }
  }
}

PythonArguments PythonEvaluator::arguments() {
  PythonArguments given{place(tokens_[at_ - 1])};
  expect("(");
  while (!at(")")) {
    if (next().kind == PythonToken::kName && tokens_[at_ + 1].is("=")) {
      const std::string key = take_name().text;
      ++at_;
      given.named.emplace_back(key, expression());
    } else {
      given.values.push_back(expression());
    }
    if (!take_if(",")) break;
  }
  expect(")");
  return given;
}

// dict.get(key) or dict.get(key, otherwise)
PythonValue PythonEvaluator::get_item(const PythonValue& dict, const PythonPlace& where) {
  const PythonArguments given = arguments();
  if (skip_) return {};
  const PythonContainer* container = container_of(dict);
  if (!container || container->kind != PythonContainer::kDict || given.values.empty())
    where.fail("get() takes a key, and a dict before its point");
  if (const PythonValue* found = find_key(*container, given.values[0], where)) return *found;
  return given.values.size() > 1 ? given.values[1] : PythonValue();
}

PythonValue PythonEvaluator::atom() {
  const PythonToken& token = next();
  switch (token.kind) {
    case PythonToken::kNumber:
      ++at_;
      return std::visit([](auto number) -> PythonValue { return number; }, token.number);
    case PythonToken::kText:
    case PythonToken::kFormat:
      return texts();
    case PythonToken::kName:
      if (take_if("None")) return {};
      if (at("True") || at("False")) return take().text == "True";
      if (is_python_keyword(token.text)) break;
      ++at_;
      return name(token);
    default:
      break;
  }
  if (take_if("...")) return {};
  if (take_if("(")) return bracketed(PythonContainer::kTuple, ")");
  if (take_if("[")) return bracketed(PythonContainer::kList, "]");
  if (take_if("{")) return dict();
  if (at("*")) place(token).refuse("'*' in a list is not read; write the values out");
  fail("expected a value, got " + described(token));
}

PythonValue PythonEvaluator::name(const PythonToken& token) {
  read_.insert(token.text);
  if (skip_) return {};
  if (const auto known = variables_.find(token.text); known != variables_.end())
    return made(known->second, place(token));
  if (const std::optional<Value> value = defaults_(token.text))
    return std::visit([](const auto& v) -> PythonValue { return v; }, *value);
  if (token.text == "__name__") return std::string("__main__");
  if (token.text == "np") return PythonObject{"numpy"};
  // The call of a function that is not known has the better error.
  if (is_python_builtin(token.text) || at("(")) return PythonObject{token.text};
  place(token).fail(token.text.substr(0, 60) + ": not assigned above and no key of the config");
}

// Behind ( or [. A single value in round brackets is itself.
PythonValue PythonEvaluator::bracketed(PythonContainer::Kind kind, const char* close) {
  const PythonPlace open = place(tokens_[at_ - 1]);
  PythonItems items;
  bool comma = kind == PythonContainer::kList || at(close);
  while (!at(close)) {
    items.push_back(expression());
    if (!take_if(",")) break;
    comma = true;
  }
  expect(close);
  if (!comma) return items.front();
  return made(make_container(kind, std::move(items), open), open);
}

PythonValue PythonEvaluator::dict() {
  constexpr std::size_t kMost = 2000;  // keys are compared one by one
  const PythonPlace open = place(tokens_[at_ - 1]);
  PythonContainer known{PythonContainer::kDict, {}};
  while (!at("}")) {
    const PythonPlace where = place(next());
    PythonValue key = expression();
    if (at(",") || at("}")) place(next()).refuse("a set is not read; write a list");
    expect(":");
    PythonValue value = expression();
    if (!skip_ && find_key(known, key, where))
      where.fail("this key is given twice; leave one of them out");
    known.items.push_back(std::move(key));
    known.items.push_back(std::move(value));
    if (known.items.size() > kMost) where.fail("this dict is larger than a config file needs");
    if (!take_if(",")) break;
  }
  expect("}");
  return made(make_container(known.kind, std::move(known.items), open), open);
}

// String literals side by side are one.
PythonValue PythonEvaluator::texts() {
  const PythonPlace first = place(next());
  std::string text;
  while (next().kind == PythonToken::kText || next().kind == PythonToken::kFormat) {
    const PythonToken& token = take();
    if (token.kind == PythonToken::kText)
      text += token.text;
    else if (!skip_)
      text += format_text(token.offset, std::string(token.text), token.raw);
  }
  return made(std::move(text), first);
}

// The content of an f-string, which begins at `offset` of the source.
std::string PythonEvaluator::format_text(std::size_t offset, std::string_view content, bool raw) {
  const Level level(*this);
  std::string out;
  for (std::size_t at = 0; at < content.size();) {
    const std::size_t brace = std::min(content.find_first_of("{}", at), content.size());
    const std::string_view plain = content.substr(at, brace - at);
    out += raw ? std::string(plain) : unescape_python(plain, {&source_, offset + at});
    at = brace;
    if (at == content.size()) break;
    const bool twice = content.substr(at, 2) == "{{" || content.substr(at, 2) == "}}";
    if (!twice && content[at] == '}')
      PythonPlace{&source_, offset + at}.fail("this } closes nothing; write }} for the character");
    out += twice ? std::string(1, content[at]) : field(offset, content, ++at);
    at += twice ? 2 : 0;
  }
  return out;
}

// {expression:format}, behind the {.
std::string PythonEvaluator::field(std::size_t offset, std::string_view content, std::size_t& at) {
  const PythonPlace here{&source_, offset + at};
  int depth = 0;
  std::size_t end = at;
  for (; end < content.size(); ++end) {
    const char c = content[end];
    if (depth == 0 && (c == '}' || c == ':' || (c == '!' && content.substr(end, 2) != "!="))) break;
    if (c == '\'' || c == '"') end = std::min(content.find(c, end + 1), content.size() - 1);
    depth += c == '(' || c == '[' || c == '{' ? 1 : c == ')' || c == ']' || c == '}' ? -1 : 0;
  }
  const std::size_t close = content.find('}', end);
  if (close >= content.size()) here.fail("this { is never closed; write {{ for the character");
  std::vector<PythonToken> outer = python_tokens(source_, offset + at, offset + end);
  outer.swap(tokens_);
  const std::size_t outer_at = std::exchange(at_, 0);
  const PythonValue value = expression_list();
  if (next().kind != PythonToken::kEnd) here.refuse("this {} is no plain expression; write one");
  outer.swap(tokens_);
  at_ = outer_at;
  const std::string_view spec = content.substr(end, close - end);
  if (spec.starts_with('!') || spec.find('{') != spec.npos)
    here.refuse("'!' and a { in a format are not read; write the text");
  at = close + 1;
  return format_value(value, spec.empty() ? spec : spec.substr(1), here);
}

}  // namespace gpt
