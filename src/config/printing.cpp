#include "gpt/config/printing.h"

#include <nlohmann/json.hpp>

#include "gpt/base/strings.h"
#include "gpt/config/data_show_config.h"
#include "gpt/config/tokenizer_config.h"

namespace gpt {

namespace {

nlohmann::ordered_json json_value(const Option& option) {
  return std::visit(
      [](const auto* value) -> nlohmann::ordered_json {
        if constexpr (std::is_same_v<decltype(value), const AutoInt*>) {
          if (!value->value) return "auto";
          return *value->value;
        } else {
          return *value;
        }
      },
      option.value);
}

// The bars of <|endoftext|> would end a cell of a Markdown table.
std::string with_escaped_bars(std::string text) {
  for (const std::string bar : {"<|", "|>"})
    for (std::size_t at = 0; (at = text.find(bar, at)) != std::string::npos; at += 3)
      text.insert(at + bar.find('|'), "\\");
  return text;
}

}  // namespace

std::string to_json(const std::vector<Option>& options) {
  nlohmann::ordered_json object;
  for (const Option& option : options) object[option.key] = json_value(option);
  return object.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

std::string shown_default(const Option& option) {
  const std::string text = value_text(option);
  if (std::holds_alternative<std::string*>(option.value)) {
    if (text == "\n") return "\"\\n\"";
    return "\"" + text + "\"";
  }
  return text;
}

std::string key_table(const std::vector<Option>& options) {
  std::string out;
  const char* section = "";
  for (const Option& option : options) {
    if (std::string_view(section) != option.section) {
      section = option.section;
      out += concat("\n**", section, "**\n\n| key | default | meaning | accepts |\n",
                    "|---|---|---|---|\n");
    }
    out += concat("| `", option.key, "` | `", shown_default(option), "` | ", option.doc, " | ",
                  option.range, " |\n");
  }
  return out;
}

std::string key_tables() {
  TrainConfig train;
  BenchConfig bench;
  SampleConfig sample;
  EvalConfig eval;
  PlanConfig plan;
  PrepareConfig prepare;
  TokenizerTrainConfig tokenizer;
  DataShowConfig show;
  ImportConfig import;
  ExportConfig export_;
  ReportConfig report;
  std::string out;
  for (const auto& list :
       {options_of(train), options_of(plan), options_of(bench), options_of(sample),
        options_of(eval), options_of(prepare), options_of(tokenizer), options_of(show),
        options_of(import), options_of(export_), options_of(report)})
    out += key_table(list);
  return with_escaped_bars(out);
}

}  // namespace gpt
