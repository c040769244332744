#include "gpt/config/command_line.h"

#include <algorithm>
#include <filesystem>

#include "gpt/base/error.h"
#include "gpt/base/strings.h"
#include "gpt/config/json_reader.h"
#include "gpt/config/python_reader.h"

namespace gpt {

namespace {

const std::string kOrigin = "command line";

bool is_config_file(const std::string& argument) {
  return argument.ends_with(".py") || argument.ends_with(".json");
}

void read_config_file(const std::string& name, Settings& settings) {
  std::vector<Setting> list;
  if (name.ends_with(".py"))
    list = read_python_config(name, [&](const std::string& key) { return settings.current(key); });
  else if (name.ends_with(".json"))
    list = read_json_config(name);
  else
    throw InputError(kOrigin + ": config file '" + name + "' should end in .py or .json");
  for (const Setting& setting : list) settings.assign(setting);
}

std::string canonical_key(std::string key, const Settings& settings) {
  std::replace(key.begin(), key.end(), '-', '_');
  if (settings.known(key)) return key;
  for (const auto& [alias, meant] : key_aliases())
    if (alias == key && settings.known(meant)) return meant;
  return key;
}

// "-1" and "-.5" are values.
bool looks_like_flag(const std::string& text) {
  return text.size() > 1 && text[0] == '-' && !(text[1] >= '0' && text[1] <= '9') && text[1] != '.';
}

bool reads_as_bool(const std::string& text) {
  return text == "True" || text == "False" || text == "true" || text == "false" || text == "1" ||
         text == "0";
}

class CommandLineReader {
 public:
  CommandLineReader(const std::vector<std::string>& arguments, Settings& settings,
                    bool inputs_allowed)
      : arguments_(arguments), settings_(settings), inputs_allowed_(inputs_allowed) {}

  CommandLine read() {
    // Whoever requests help should not hear complaints first.
    const auto asks = [](const std::string& a) { return a == "-h" || a == "--help"; };
    result_.help = std::any_of(arguments_.begin(), arguments_.end(), asks);
    if (result_.help) return std::move(result_);
    for (at_ = 0; at_ < arguments_.size(); ++at_) {
      const std::string& argument = arguments_[at_];
      if (argument.starts_with("--") && argument.size() > 2)
        flag(argument.substr(2));
      else
        positional(argument);
    }
    return std::move(result_);
  }

 private:
  void positional(const std::string& argument) {
    if (inputs_allowed_)
      result_.inputs.push_back(argument);
    else if (is_config_file(argument))
      read_config_file(argument, settings_);
    else
      throw InputError(kOrigin + ": '" + argument +
                       "': expected a config file (.py or .json) or --key=value");
  }

  void flag(const std::string& text) {
    const auto equals = text.find('=');
    const std::string key = canonical_key(text.substr(0, equals), settings_);
    const bool has_value = equals != std::string::npos;
    if (key == "print_config" && !has_value) {
      result_.print_config = true;
    } else if (key == "config") {
      read_config_file(has_value ? text.substr(equals + 1) : next_value(key), settings_);
    } else if (has_value) {
      settings_.assign_text(key, text.substr(equals + 1), kOrigin);
    } else if (settings_.is_flag(key)) {
      const bool follows = at_ + 1 < arguments_.size() && reads_as_bool(arguments_[at_ + 1]);
      settings_.assign_text(key, follows ? arguments_[++at_] : "True", kOrigin);
    } else {
      if (!settings_.known(key))
        throw InputError(kOrigin + ": " + key + ": unknown key" + settings_.suggestion(key));
      settings_.assign_text(key, next_value(key), kOrigin);
    }
  }

  const std::string& next_value(const std::string& key) {
    if (at_ + 1 == arguments_.size() || looks_like_flag(arguments_[at_ + 1]))
      throw InputError(kOrigin + ": --" + key + ": expected a value after it, as in --" + key +
                       "=VALUE");
    return arguments_[++at_];
  }

  const std::vector<std::string>& arguments_;
  Settings& settings_;
  bool inputs_allowed_;
  std::size_t at_ = 0;
  CommandLine result_;
};

}  // namespace

CommandLine read_command_line(const std::vector<std::string>& arguments, Settings& settings,
                              bool inputs_allowed) {
  CommandLine result = CommandLineReader(arguments, settings, inputs_allowed).read();
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
