#include "gpt/config/command_line.h"

#include <algorithm>
#include <string_view>

#include <CLI/CLI.hpp>

#include "gpt/base/error.h"
#include "gpt/base/log.h"

#include "cli_options.h"
#include "config_file.h"

namespace gpt {

namespace {

const std::string kOrigin = "command line";

// "-1" and "-.5" are values.
bool looks_like_flag(const std::string& text) {
  return text.size() > 1 && text[0] == '-' && !(text[1] >= '0' && text[1] <= '9') && text[1] != '.';
}

bool reads_as_bool(const std::string& text) {
  constexpr std::string_view kWords[] = {"True", "False", "true", "false", "1",
                                         "0",    "yes",   "no",   "on",    "off"};
  return std::find(std::begin(kWords), std::end(kWords), text) != std::end(kWords);
}

// CLI11 knows the options and hands out their values in order. What nanoGPT's users write it would
// read otherwise, so each argument is first written out as an option's name and its value, of which
// every option here has one:
//   * a bool alone is True, and takes the next argument only where that is a bool's value;
//     an optional value of CLI11's takes any word, such as the config file in `--compile x.py`;
//   * `--start=` is an empty text, and not the next argument;
//   * `--batch_size --n_layer=2` lacks a value, and does not have "--n_layer=2" for one;
//   * a config file counts where it stands among the options; CLI11 hands out positional arguments
//     after all of them;
//   * an unknown key is an error with the nearest key, before its value counts as a file.
class CommandLineReader {
 public:
  CommandLineReader(const std::vector<std::string>& arguments, Settings& settings,
                    bool inputs_allowed, bool configs_among_inputs)
      : arguments_(arguments),
        settings_(settings),
        inputs_allowed_(inputs_allowed),
        configs_among_inputs_(configs_among_inputs) {}

  CommandLine read() {
    // Whoever requests help should not hear complaints first.
    const auto asks = [](const std::string& a) { return a == "-h" || a == "--help"; };
    result_.help = std::any_of(arguments_.begin(), arguments_.end(), asks);
    if (result_.help) return std::move(result_);
    python_ = chosen_python();
    add_options();
    while (at_ < arguments_.size()) {
      const std::string& argument = arguments_[at_++];
      if (argument.starts_with("--") && argument.size() > 2)
        write_out_option(argument.substr(2));
      else
        write_out_positional(argument);
    }
    std::reverse(written_out_.begin(), written_out_.end());  // CLI11 takes them from the back
    app_.parse(std::move(written_out_));
    return std::move(result_);
  }

 private:
  // No user's: their hyphens become underscores.
  static constexpr const char* kInput = "--positional-argument";

  void add_options() {
    app_.set_help_flag();
    gpt::add_options(app_, settings_.options(),
                     [this](const std::string& key, const std::string& text) {
                       settings_.assign_text(key, text, kOrigin);
                     });
    add_option(app_, "--config", "", [this](const std::string& name) {
      if (!is_config_name(name))
        throw InputError(kOrigin + ": config file '" + name + "' should end in .py or .json");
      read_config_file(name, python_, settings_);
    });
    add_option(app_, "--config_python", "", [](const std::string&) {});
    // Launchers of before torchrun add it to every program's arguments.
    add_option(app_, "--local_rank", "", [](const std::string& rank) {
      log_info("--local_rank=" + rank + ": ignored; launchers say it in LOCAL_RANK as well");
    });
    add_option(app_, kInput, "",
               [this](const std::string& name) { result_.inputs.push_back(name); });
  }

  void write_out(const std::string& name, const std::string& value) {
    written_out_.push_back(name);
    written_out_.push_back(value);
  }

  // The Python that runs .py files holds for all of them, wherever it is named.
  std::string chosen_python() const {
    constexpr std::string_view kName = "--config_python";
    std::string python;
    for (std::size_t i = 0; i < arguments_.size(); ++i) {
      std::string argument = arguments_[i];
      std::replace(argument.begin() + std::min<std::ptrdiff_t>(2, std::ssize(argument)),
                   argument.begin() + std::min<std::ptrdiff_t>(kName.size(), std::ssize(argument)),
                   '-', '_');
      if (argument.starts_with("--config_python="))
        python = argument.substr(kName.size() + 1);
      else if (argument == kName && i + 1 < arguments_.size())
        python = arguments_[i + 1];
    }
    return python;
  }

  void write_out_positional(const std::string& argument) {
    const bool config = is_config_name(argument);
    if (config && configs_among_inputs_ && sets_a_key(argument)) {
      log_info(argument + ": a config, and no text to work on");
      write_out("--config", argument);
    } else if (inputs_allowed_)
      write_out(kInput, argument);
    else if (config)
      write_out("--config", argument);
    else
      throw InputError(kOrigin + ": '" + argument +
                       "': expected a config file (.py or .json) or --key=value");
  }

  void write_out_option(const std::string& text) {
    const auto equals = text.find('=');
    std::string key = text.substr(0, equals);
    std::replace(key.begin(), key.end(), '-', '_');
    const bool has_value = equals != std::string::npos;
    if (key == "print_config" && !has_value) {
      result_.print_config = true;
      return;
    }
    const CLI::Option* option = app_.get_option_no_throw("--" + key);
    if (!option)
      throw InputError(kOrigin + ": " + key + ": unknown key" + settings_.suggestion(key));
    const std::string& name = option->get_lnames().front();
    write_out("--" + name, has_value                 ? text.substr(equals + 1)
                           : settings_.is_flag(name) ? value_of_flag()
                                                     : next_value(name));
  }

  std::string value_of_flag() {
    const bool follows = at_ < arguments_.size() && reads_as_bool(arguments_[at_]);
    return follows ? arguments_[at_++] : "True";
  }

  std::string next_value(const std::string& key) {
    if (at_ == arguments_.size() || looks_like_flag(arguments_[at_]))
      throw InputError(kOrigin + ": --" + key + ": expected a value after it, as in --" + key +
                       "=VALUE");
    return arguments_[at_++];
  }

  const std::vector<std::string>& arguments_;
  Settings& settings_;
  bool inputs_allowed_, configs_among_inputs_;
  std::string python_;
  CLI::App app_;
  std::size_t at_ = 0;
  std::vector<std::string> written_out_;  // a name, its value, a name, ...
  CommandLine result_;
};

}  // namespace

CommandLine read_command_line(const std::vector<std::string>& arguments, Settings& settings,
                              bool inputs_allowed, bool configs_among_inputs) {
  CommandLine result =
      CommandLineReader(arguments, settings, inputs_allowed, configs_among_inputs).read();
  if (!result.help) settings.check_ranges();
  return result;
}

const std::vector<std::pair<std::string, std::string>>& key_aliases() {
  static const std::vector<std::pair<std::string, std::string>> kAliases{
      {"grad_accum", "gradient_accumulation_steps"},
      {"grad_accum_steps", "gradient_accumulation_steps"},
      {"gradient_accumulation", "gradient_accumulation_steps"},
      {"lr", "learning_rate"},
      {"bs", "batch_size"},
      {"out", "out_dir"},
      {"layers", "n_layer"},
      {"heads", "n_head"},
      {"width", "n_embd"},
      {"context", "block_size"},
      {"iters", "max_iters"},
      {"context_length", "block_size"},
      {"seq_len", "block_size"},
      {"max_steps", "max_iters"},
      {"wd", "weight_decay"},
  };
  return kAliases;
}

}  // namespace gpt
