#include "config_file.h"

#include <algorithm>
#include <sstream>

#include "gpt/base/error.h"
#include "gpt/base/files.h"
#include "gpt/base/log.h"
#include "gpt/base/strings.h"
#include "gpt/config/command_line.h"
#include "gpt/config/json_reader.h"
#include "gpt/config/python_reader.h"

namespace gpt {

namespace {

const Settings& keys_of_train() {
  static TrainConfig config;
  static const Settings settings(options_of(config));
  return settings;
}

// Does train take a value that this command's own key of that name does not? init_from = 'scratch'
// tells nothing to sample.
bool is_for_train_only(const Setting& setting) {
  TrainConfig config;
  Settings train(options_of(config));
  if (!train.known(setting.key)) return false;
  train.assign(setting);
  return train.holds(setting.key);
}

void assign_file(const std::vector<Setting>& list, Settings& settings) {
  for (const Setting& setting : list) {
    if (!settings.known(setting.key) && keys_of_train().known(setting.key)) continue;
    const std::optional<Value> before = settings.current(setting.key);
    const std::string origin = settings.origin(setting.key);
    settings.assign(setting);
    if (!settings.holds(setting.key) && is_for_train_only(setting))
      settings.assign({setting.key, *before, origin});
  }
}

// The key that a name may be a slip for: another name of it, or one a few letters away.
std::string nearly(const std::string& name, const Settings& settings) {
  for (const auto& [alias, key] : key_aliases())
    if (name == alias) return key;
  std::vector<std::string> keys;
  for (const Settings* list : {&settings, &keys_of_train()})
    for (const Option& option : list->options()) keys.emplace_back(option.key);
  return nearest_word(name, keys);
}

// Do the words differ in one place, by no more than two letters?
bool differ_by_a_slip(const std::string& a, const std::string& b) {
  const auto same_first = [](auto first, auto last, auto other, auto other_last) {
    return std::mismatch(first, last, other, other_last).first - first;
  };
  const auto same = same_first(a.begin(), a.end(), b.begin(), b.end()) +
                    same_first(a.rbegin(), a.rend(), b.rbegin(), b.rend());
  return same + 2 >= std::max(std::ssize(a), std::ssize(b));
}

void report_helpers(const PythonConfig& config, const std::string& file, const Settings& settings) {
  std::vector<std::string> unread;
  for (const HelperName& helper : config.helpers) {
    const std::string key = nearly(helper.name, settings);
    // `n_layers = 4` and then `n_layer = n_layers` is no slip.
    const bool set = std::any_of(config.settings.begin(), config.settings.end(),
                                 [&](const Setting& setting) { return setting.key == key; });
    const bool meant = helper.read && (set || !differ_by_a_slip(helper.name, key));
    if (!key.empty() && helper.plain && !meant)
      throw InputError(concat(helper.origin, ": ", helper.name, ": unknown key; did you mean ", key,
                              "? (a name of the file's own may begin with _)"));
    if (!helper.read) unread.push_back(helper.name);
  }
  if (!unread.empty())
    log_warning(concat(
        file, ": these are no keys of gpttrain, and nothing reads them: ", join(unread, ", ")));
}

}  // namespace

bool is_config_name(const std::string& file) {
  return file.ends_with(".py") || file.ends_with(".json");
}

void read_config_file(const std::string& file, const std::string& python, Settings& settings) {
  if (file.ends_with(".json")) return assign_file(read_json_config(file), settings);
  const Lookup lookup = [&](const std::string& key) {
    return settings.known(key) ? settings.current(key) : keys_of_train().current(key);
  };
  PythonConfig config;
  if (python.empty()) {
    config = read_python_config(file, lookup);
  } else {
    std::vector<std::string> names;
    for (const Settings* list : {&keys_of_train(), static_cast<const Settings*>(&settings)})
      for (const Option& option : list->options()) names.emplace_back(option.key);
    config = run_python_config(file, python, names, lookup);
    log_info(concat(file, ": run by ", python, ", and read from its globals"));
  }
  report_helpers(config, file, settings);
  assign_file(config.settings, settings);
}

bool sets_a_key(const std::string& file) {
  std::error_code ignored;
  if (!fs::is_regular_file(file, ignored) || fs::file_size(file, ignored) > kLargestConfig)
    return false;
  const auto known = [](const std::string& key) { return keys_of_train().known(key); };
  if (file.ends_with(".json")) {
    try {
      const auto list = read_json_config(file);
      return std::any_of(list.begin(), list.end(), [&](const auto& s) { return known(s.key); });
    } catch (const InputError&) {
      return false;
    }
  }
  std::istringstream lines(read_small_file(file, kLargestConfig, "a config"));
  for (std::string line; std::getline(lines, line);) {
    const std::size_t name = line.find_first_not_of("abcdefghijklmnopqrstuvwxyz_0123456789");
    const std::size_t equals = line.find_first_not_of(" \t", name);
    if (equals != line.npos && line[equals] == '=' && line.substr(equals, 2) != "==" &&
        known(line.substr(0, name)))
      return true;
  }
  return false;
}

}  // namespace gpt
