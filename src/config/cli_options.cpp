#include "cli_options.h"

#include <algorithm>
#include <memory>
#include <sstream>
#include <string_view>

#include <CLI/CLI.hpp>

#include "gpt/base/strings.h"
#include "gpt/config/command_line.h"
#include "gpt/config/printing.h"

namespace gpt {

namespace {

constexpr std::size_t kColumns = 80, kIndent = 6;

// Words of `text` in indented lines.
std::string wrapped(const std::string& text) {
  std::istringstream words(text);
  std::string line(kIndent, ' '), out;
  bool first = true;
  for (std::string word; words >> word; first = false) {
    if (!first && line.size() + 1 + word.size() > kColumns) {
      out += line + "\n";
      line.assign(kIndent, ' ');
    } else if (!first) {
      line += " ";
    }
    line += word;
  }
  return out + line + "\n";
}

// CLI11's own page has two columns and does not wrap lines.
class HelpPage final : public CLI::Formatter {
 public:
  std::string make_help(const CLI::App* app, std::string, CLI::AppFormatMode mode) const override {
    return make_groups(app, mode);
  }
  std::string make_group(std::string group, bool positional,
                         std::vector<const CLI::Option*> options) const override {
    std::string text = group + "\n";
    for (const CLI::Option* option : options) text += make_option(option, positional);
    return text;
  }
  std::string make_option(const CLI::Option* option, bool) const override {
    const std::vector<std::string>& names = option->get_lnames();
    std::string doc = option->get_description();
    if (names.size() > 1)
      doc += " Other names: --" + join({names.begin() + 1, names.end()}, ", --") + ".";
    return concat("  --", names.front(), "=", option->get_default_str(), "\n", wrapped(doc));
  }
};

bool knows(const std::vector<Option>& options, std::string_view key) {
  return std::any_of(options.begin(), options.end(),
                     [&](const Option& option) { return key == option.key; });
}

// "--batch_size,--bs". A key of the command itself comes before an alias of that name.
std::string names_of(const Option& option, const std::vector<Option>& all) {
  std::string names = concat("--", option.key);
  for (const auto& [alias, key] : key_aliases())
    if (key == option.key && !knows(all, alias)) names += ",--" + alias;
  return names;
}

std::string doc_of(const Option& option) {
  const std::string doc = option.doc;
  return doc.find(option.range) == doc.npos ? doc + " (" + option.range + ")" : doc;
}

CLI::Option* add(CLI::App& app, const std::string& names, const std::string& doc,
                 const TakeText& take) {
  const CLI::callback_t callback = [take](const CLI::results_t& texts) {
    take(texts.back());
    return true;
  };
  // Else CLI11 would collect all values first and hand them out option by option.
  return app.add_option(names, callback, doc)->trigger_on_parse();
}

}  // namespace

void add_option(CLI::App& app, const std::string& names, const std::string& doc,
                const TakeText& take) {
  add(app, names, doc, take);
}

void add_options(CLI::App& app, const std::vector<Option>& options,
                 const std::function<void(const std::string& key, const std::string& text)>& take) {
  for (const Option& option : options)
    add(app, names_of(option, options), doc_of(option),
        [take, key = option.key](const std::string& text) { take(key, text); })
        ->group(option.section)
        ->default_str(shown_default(option));
}

std::string help_text(const std::vector<Option>& options) {
  CLI::App app;
  app.set_help_flag();
  app.formatter(std::make_shared<HelpPage>());
  add_options(app, options, [](const std::string&, const std::string&) {});
  return app.help();
}

}  // namespace gpt
