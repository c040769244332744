// The statements of a .py config file.
#include "gpt/base/strings.h"

#include "python_evaluator.h"

namespace gpt {

namespace {

// How to write what is not read.
std::string rewrite_of(const std::string& keyword) {
  if (keyword == "for" || keyword == "while") return "a loop is not read; write out what it leaves";
  if (keyword == "def" || keyword == "class" || keyword == "lambda" || keyword == "async" ||
      keyword == "@")
    return "functions and classes are not read; write their results";
  return concat("'", keyword, "' is not read; leave it out");
}

constexpr const char* kOtherFile =
    "names of another file are not read; give that file before this one on the command line";

}  // namespace

PythonConfig PythonEvaluator::run() {
  tokens_ = python_tokens(source_);
  while (next().kind != PythonToken::kEnd) statement();
  for (HelperName& helper : config_.helpers) helper.read = read_.contains(helper.name);
  return std::move(config_);
}

void PythonEvaluator::end_line() {
  if (next().kind == PythonToken::kNewline)
    ++at_;
  else if (next().kind != PythonToken::kEnd)
    place(next()).refuse(concat("expected the end of the line, got ", described(next()),
                                "; write the statement in another way"));
}

void PythonEvaluator::statement() {
  if (next().kind == PythonToken::kIndent)
    fail("unexpected indentation; this line belongs to no 'if' above it");
  if (at("if")) return conditional_statement();
  if (at("elif") || at("else")) fail(concat("this '", next().text, "' belongs to no 'if'"));
  simple_statements();
}

void PythonEvaluator::simple_statements() {
  do {
    simple_statement();
  } while (take_if(";") && next().kind != PythonToken::kNewline);
  end_line();
}

void PythonEvaluator::simple_statement() {
  const PythonToken& token = next();
  if (at(";")) fail("expected a statement before ;");
  if (take_if("pass")) return;
  if (at("import")) return import_statement();
  if (at("from")) return from_import_statement();
  if (at("@") || (token.kind == PythonToken::kName && is_python_keyword(token.text) && !at("not") &&
                  !at("None") && !at("True") && !at("False")))
    place(token).refuse(rewrite_of(token.text));
  if (token.kind == PythonToken::kName && tokens_[at_ + 1].text.size() > 1 &&
      tokens_[at_ + 1].kind == PythonToken::kOperator && tokens_[at_ + 1].text.ends_with('=') &&
      std::string_view("=!<>:").find(tokens_[at_ + 1].text[0]) == std::string_view::npos)
    return augmented_assignment();
  if (token.kind == PythonToken::kName && tokens_[at_ + 1].is(":")) {  // name: type = value
    at_ += 2;
    skipped(&PythonEvaluator::expression);
    if (!take_if("=")) return;
    const PythonValue value = expression_list();
    return assign_name(token, value);
  }
  if (assignment_follows()) return assignment();
  expression_list();
}

void PythonEvaluator::conditional_statement() {
  const Level level(*this);
  bool done = false;
  while (at("if") || (at("elif"))) {
    ++at_;
    const bool before = skip_;
    const PythonPlace where = place(next());
    skip_ |= done;
    const PythonValue condition = expression();
    const bool holds = !skip_ && is_true(condition, where);
    skip_ = before;
    expect(":");
    block(holds);
    done |= holds;
    if (at("if")) return;
  }
  if (!take_if("else")) return;
  expect(":");
  block(!done);
}

void PythonEvaluator::block(bool run) {
  const bool before = skip_;
  skip_ |= !run;
  if (next().kind != PythonToken::kNewline) {
    simple_statements();
  } else {
    ++at_;
    if (next().kind != PythonToken::kIndent) fail("expected an indented line");
    ++at_;
    while (next().kind != PythonToken::kDedent) statement();
    ++at_;
  }
  skip_ = before;
}

// import a.b, c as d
void PythonEvaluator::import_statement() {
  do {
    ++at_;
    const PythonToken& first = take_name();
    std::string module = first.text, bound = first.text;
    while (take_if(".")) module += "." + take_name().text;
    if (take_if("as"))
      bound = take_name().text;
    else
      module = bound;
    if (!skip_) variables_[bound] = PythonObject{module};
  } while (at(","));
}

// from a.b import c as d, e
void PythonEvaluator::from_import_statement() {
  const PythonPlace start = place(take());
  std::string module;
  while (at(".") || at("...") || (next().kind == PythonToken::kName && !at("import")))
    module += take().text;
  expect("import");
  if (at("*") || module.starts_with('.')) start.refuse(kOtherFile);
  const bool brackets = take_if("(");
  do {
    if (brackets && at(")")) break;
    const std::string name = take_name().text;
    const std::string bound = take_if("as") ? take_name().text : name;
    if (defaults_(bound)) start.refuse(kOtherFile);
    if (!skip_) variables_[bound] = PythonObject{module + "." + name};
  } while (take_if(","));
  if (brackets) expect(")");
}

// Is there an = outside of brackets before the statement ends?
bool PythonEvaluator::assignment_follows() const {
  int depth = 0;
  for (std::size_t i = at_; tokens_[i].kind < PythonToken::kNewline; ++i) {
    const PythonToken& token = tokens_[i];
    if (token.kind != PythonToken::kOperator) continue;
    const char c = token.text[0];
    if (c == '(' || c == '[' || c == '{') ++depth;
    if (c == ')' || c == ']' || c == '}') --depth;
    if (depth == 0 && token.text == "=") return true;
    if (depth == 0 && token.text == ";") return false;
  }
  return false;
}

// a = b = value: from the left, as in Python.
void PythonEvaluator::assignment() {
  std::vector<Target> targets;
  while (assignment_follows()) {
    targets.push_back(target_list());
    expect("=");
  }
  const PythonValue value = expression_list();
  if (skip_) return;
  for (const Target& target : targets) assign(target, value);
}

void PythonEvaluator::augmented_assignment() {
  const PythonToken& left = take();
  const PythonToken& token = take();
  const PythonValue right = expression_list();
  if (skip_) return;
  const bool was_read = read_.contains(left.text);
  const PythonValue value = name(left);
  if (!was_read) read_.erase(left.text);
  if (const PythonContainer* list = container_of(value);
      list && list->kind == PythonContainer::kList)
    place(token).refuse("a list is not changed in place; write name = name + [...]");
  const std::string_view operation(token.text.data(), token.text.size() - 1);
  assign_name(left, apply_binary(operation, value, right, place(token)));
}

PythonEvaluator::Target PythonEvaluator::target_list() {
  Target first = target();
  if (!at(",")) return first;
  Target list{first.token, true, {}};
  list.parts.push_back(std::move(first));
  while (take_if(","))
    if (!at("=") && !at(")") && !at("]")) list.parts.push_back(target());
  return list;
}

PythonEvaluator::Target PythonEvaluator::target() {
  const Level level(*this);
  const PythonToken& first = next();
  if (take_if("(") || take_if("[")) {
    Target inner = target_list();
    expect(first.text == "(" ? ")" : "]");
    return inner;
  }
  if (at("*")) place(first).refuse("'*' before a name is not read; assign the names one by one");
  Target name{&take_name()};
  if (!at(",") && !at("=") && !at(")") && !at("]"))
    place(first).refuse("only names are assigned here; write the whole value at once");
  return name;
}

void PythonEvaluator::assign(const Target& target, const PythonValue& value) {
  if (!target.is_list) return assign_name(*target.token, value);
  const PythonItems items = items_of(value, place(*target.token));
  if (items.size() != target.parts.size())
    place(*target.token)
        .fail(concat("expected ", target.parts.size(), " values, found ", items.size()));
  for (std::size_t i = 0; i < items.size(); ++i) assign(target.parts[i], items[i]);
}

void PythonEvaluator::assign_name(const PythonToken& token, const PythonValue& value) {
  if (skip_) return;
  const PythonPlace where = place(token);
  const std::string& name = token.text;
  const bool is_new = variables_.insert_or_assign(name, value).second;
  std::string origin = concat(source_.name, ":", token.line);
  if (!defaults_(name)) {
    const bool plain = !container_of(value) && !std::holds_alternative<PythonObject>(value);
    if (is_new && name[0] != '_')
      config_.helpers.push_back({name, std::move(origin), false, plain});
    return;
  }
  if (container_of(value))
    where.fail(concat(name, ": expected True, False, a number or a text, got a ", kind_of(value),
                      "; name one of its items, as in values[0]"));
  if (const auto* object = std::get_if<PythonObject>(&value))
    where.fail(concat(name, ": expected True, False, a number or a text, got ", kind_of(value),
                      "; write it as a text: '",
                      object->name.substr(object->name.rfind('.') + 1).substr(0, 40), "'"));
  Value plain;
  std::visit(
      [&](const auto& v) {
        if constexpr (std::is_constructible_v<Value, decltype(v)>) plain = v;
      },
      value);
  config_.settings.push_back({name, std::move(plain), std::move(origin)});
}

}  // namespace gpt
