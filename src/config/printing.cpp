#include "gpt/config/printing.h"

#include <sstream>

#include <nlohmann/json.hpp>

#include "gpt/base/strings.h"
#include "gpt/config/command_line.h"

namespace gpt {

namespace {

constexpr std::size_t kColumns = 80;

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

// Words of `text` in lines that start at column `indent`, the first one at column `at`.
std::string wrapped(const std::string& text, std::size_t at, std::size_t indent) {
  std::istringstream words(text);
  std::string out;
  for (std::string word; words >> word;) {
    if (at + word.size() + 1 > kColumns) {
      out += "\n" + std::string(indent, ' ');
      at = indent;
    } else if (!out.empty()) {
      out += " ";
      ++at;
    }
    out += word;
    at += word.size();
  }
  return out;
}

bool says_more(const Option& option) {
  return option.range != "any value";
}

std::string shown_default(const Option& option) {
  const std::string text = value_text(option);
  if (std::holds_alternative<std::string*>(option.value)) {
    if (text == "\n") return "\"\\n\"";
    return "\"" + text + "\"";
  }
  return text;
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

std::string help_text(const std::vector<Option>& options) {
  constexpr std::size_t kIndent = 6;
  std::string out;
  const char* section = "";
  for (const Option& option : options) {
    if (std::string_view(section) != option.section)
      out += concat(out.empty() ? "" : "\n", section = option.section, "\n");
    out += concat("  --", option.key, "=", shown_default(option), "\n", std::string(kIndent, ' '));
    std::string doc = option.doc;
    if (says_more(option) && doc.find(option.range) == std::string::npos)
      doc += " (" + option.range + ")";
    out += wrapped(doc, kIndent, kIndent) + "\n";
  }
  std::vector<std::string> aliases;
  for (const auto& [alias, key] : key_aliases())
    for (const Option& option : options)
      if (key == option.key) aliases.push_back("--" + alias + " = --" + key);
  if (!aliases.empty()) {
    out += "\nOther names\n";
    for (const std::string& alias : aliases) out += "  " + alias + "\n";
  }
  return out;
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
  PrepareConfig prepare;
  ImportConfig import;
  ExportConfig export_;
  std::string out;
  for (const auto& list :
       {options_of(train), options_of(bench), options_of(sample), options_of(eval),
        options_of(prepare), options_of(import), options_of(export_)})
    out += key_table(list);
  return with_escaped_bars(out);
}

}  // namespace gpt
