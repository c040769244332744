// nanoGPT's config files, which are Python: read by an evaluator of our own, never executed, unless
// the user names a Python that shall run them.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gpt/config/settings.h"

namespace gpt {

// What a name stands for before the file assigns it: the current value of a config key.
using Lookup = std::function<std::optional<Value>(const std::string& name)>;

// A name that the file assigns and that is no config key.
struct HelperName {
  std::string name;
  std::string origin;  // of its first assignment
  bool read = false;   // by the file itself
  bool plain = true;   // what a key could have been given: no list, no function
};

struct PythonConfig {
  std::vector<Setting> settings;  // of config keys, in the order of the file
  std::vector<HelperName> helpers;
};

// What nanoGPT's exec() of the file leaves, for the Python that configs are written in: assignments
// of every form, if and else, import, print, numbers, texts, f-strings, lists, tuples, dicts, their
// operators, and the functions of python_functions.cpp. Names that begin with _ are the file's own
// and never reported. Integers are of 64 bits. InputError "NAME:LINE:COLUMN: ..." (columns count
// characters), with how to write it instead, for all else.
PythonConfig parse_python_config(std::string_view text, const std::string& name,
                                 const Lookup& defaults);

// The same from a file; InputError also if it cannot be read.
PythonConfig read_python_config(const std::filesystem::path& file, const Lookup& defaults);

// What `python`, a program's name or path, has in its globals after it ran the file. `names` are
// the keys, which the file finds with their current values. InputError if it cannot be started or
// fails.
PythonConfig run_python_config(const std::filesystem::path& file, const std::string& python,
                               const std::vector<std::string>& names, const Lookup& defaults);

// What `torch.cuda` says of the machine. This module knows no devices, so the program sets a
// function that asks them; it is called when a file wants to know. Without one: no GPU.
struct PythonMachine {
  int cuda_devices = 0;
  bool cuda_bf16 = false;
};
void set_python_machine(std::function<PythonMachine()> ask);
PythonMachine python_machine();

// The content of `text` if it is one string literal of Python, quotes and all, as shells leave them
// around a flag's value.
std::optional<std::string> python_literal(std::string_view text);

}  // namespace gpt
