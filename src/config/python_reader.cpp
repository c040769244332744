#include "gpt/config/python_reader.h"

#include <chrono>
#include <map>

#include "gpt/base/error.h"
#include "gpt/base/files.h"
#include "gpt/base/strings.h"

#include "python_parser.h"

namespace gpt {

namespace {

// Runs the statements and remembers what the names stand for.
class Evaluator {
 public:
  Evaluator(const PythonSource& source, const Lookup& defaults)
      : source_(source), defaults_(defaults) {}

  // The value if the statement gives a config key one.
  std::optional<Value> run(const PythonStatement& statement) {
    if (statement.kind == PythonStatement::kImportTime) {
      has_time_ = true;
      return std::nullopt;
    }
    const PythonValue value = evaluate(statement.expression);
    variables_[statement.name] = value;
    if (statement.name[0] == '_') return std::nullopt;
    return std::visit(
        [&](const auto& v) -> Value {
          if constexpr (std::is_same_v<std::decay_t<decltype(v)>, std::monostate>)
            place(statement.offset)
                .fail(statement.name + ": expected True, False, a number or a text, got None");
          else
            return v;
        },
        value);
  }

 private:
  PythonPlace place(std::size_t offset) const { return {&source_, offset}; }

  PythonValue evaluate(const PythonExpression& e) const {
    switch (e.kind) {
      case PythonExpression::kConstant:
        return e.value;
      case PythonExpression::kName:
        return look_up(e);
      case PythonExpression::kUnary:
        return apply_unary(e.text, evaluate(e.operands[0]), place(e.offset));
      case PythonExpression::kBinary:
        return evaluate_binary(e);
      case PythonExpression::kConditional:
        return evaluate(e.operands[is_true(evaluate(e.operands[1])) ? 0 : 2]);
      case PythonExpression::kCall:
        if (e.text != "time.time") return convert(e.text, evaluate(e.operands[0]), place(e.offset));
    }
    if (!has_time_) place(e.offset).fail("time is not imported; write `import time` above");
    using Seconds = std::chrono::duration<double>;
    return Seconds(std::chrono::system_clock::now().time_since_epoch()).count();
  }

  PythonValue evaluate_binary(const PythonExpression& e) const {
    PythonValue left = evaluate(e.operands[0]);
    if (e.text == "and") return is_true(left) ? evaluate(e.operands[1]) : left;
    if (e.text == "or") return is_true(left) ? left : evaluate(e.operands[1]);
    return apply_binary(e.text, left, evaluate(e.operands[1]), place(e.offset));
  }

  PythonValue look_up(const PythonExpression& e) const {
    if (const auto known = variables_.find(e.text); known != variables_.end()) return known->second;
    if (const std::optional<Value> value = defaults_(e.text))
      return std::visit([](const auto& v) -> PythonValue { return v; }, *value);
    place(e.offset).fail(e.text.substr(0, 60) + ": not assigned above and no key of the config");
  }

  const PythonSource& source_;
  const Lookup& defaults_;
  std::map<std::string, PythonValue> variables_;
  bool has_time_ = false;
};

}  // namespace

std::vector<Setting> parse_python_config(std::string_view text, const std::string& name,
                                         const Lookup& defaults) {
  const PythonSource source{text, name};
  PythonParser parser(source);
  Evaluator evaluator(source, defaults);
  std::vector<Setting> settings;
  while (const auto statement = parser.next())
    if (auto value = evaluator.run(*statement))
      settings.push_back({statement->name, std::move(*value), concat(name, ":", statement->line)});
  return settings;
}

std::vector<Setting> read_python_config(const std::filesystem::path& file, const Lookup& defaults) {
  return parse_python_config(read_small_file(file, kLargestConfig, "a config"), file.string(),
                             defaults);
}

}  // namespace gpt
