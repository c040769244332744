// Python's values and operators, as far as config files need them.
#pragma once

#include <cstdint>
#include <string>
#include <variant>

#include "python_source.h"

namespace gpt {

// monostate: None. Integers are of 64 bits; what does not fit is an error.
using PythonValue = std::variant<std::monostate, bool, std::int64_t, double, std::string>;

bool is_true(const PythonValue& value);

// `operation`: + - * / // % ** == != < <= > >=. Fails at `place` where Python would raise, and for
// what config files do not need (text * int, text % values).
PythonValue apply_binary(const std::string& operation, const PythonValue& left,
                         const PythonValue& right, const PythonPlace& place);

// `operation`: + - not.
PythonValue apply_unary(const std::string& operation, const PythonValue& value,
                        const PythonPlace& place);

// str(), int(), float(); `function` is one of these.
PythonValue convert(const std::string& function, const PythonValue& value,
                    const PythonPlace& place);

}  // namespace gpt
