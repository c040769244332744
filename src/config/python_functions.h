// The names that config files find, and the functions they may call. None of them changes anything.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "python_value.h"

namespace gpt {

struct PythonArguments {
  PythonPlace place;
  PythonItems values = {};
  std::vector<std::pair<std::string, PythonValue>> named = {};

  std::string text(std::size_t i) const;
};

// Does train.py know the bare name? A builtin, or a module that it has imported.
bool is_python_builtin(const std::string& name);

// object.attribute: math.pi, or the object of that longer name.
PythonValue attribute_of(const PythonObject& object, const std::string& attribute);

// os.environ[name]
PythonValue environment_variable(const PythonArguments& arguments);

// Refuses a function that is not known, by its full name: "os.environ.get".
PythonValue call_function(const std::string& name, const PythonArguments& arguments);

}  // namespace gpt
