#include "gpt/config/python_reader.h"

#include "gpt/base/error.h"
#include "gpt/base/files.h"

#include "python_evaluator.h"

namespace gpt {

namespace {

std::function<PythonMachine()>& machine_question() {
  static std::function<PythonMachine()> ask;
  return ask;
}

}  // namespace

PythonConfig parse_python_config(std::string_view text, const std::string& name,
                                 const Lookup& defaults) {
  return PythonEvaluator({text, name}, defaults).run();
}

PythonConfig read_python_config(const std::filesystem::path& file, const Lookup& defaults) {
  return parse_python_config(read_small_file(file, kLargestConfig, "a config"), file.string(),
                             defaults);
}

void set_python_machine(std::function<PythonMachine()> ask) {
  machine_question() = std::move(ask);
}

PythonMachine python_machine() {
  return machine_question() ? machine_question()() : PythonMachine{};
}

std::optional<std::string> python_literal(std::string_view text) {
  if (text.size() < 2 || (text[0] != '\'' && text[0] != '"')) return std::nullopt;
  try {
    const std::vector<PythonToken> tokens = python_tokens({text, "text"}, 0, text.size());
    if (tokens.size() == 2 && tokens[0].kind == PythonToken::kText) return tokens[0].text;
  } catch (const InputError&) {  // a text that only begins with a quote
  }
  return std::nullopt;
}

}  // namespace gpt
