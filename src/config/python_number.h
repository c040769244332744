// Python's spelling of numbers.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "python_source.h"

namespace gpt {

// A number in the source: 10, 1_000, 0x1f, 0o17, 0b11, 1e-3, .5, 1. Fails at `place`.
std::variant<std::int64_t, double> read_number(std::string_view digits, const PythonPlace& place);

// int("12"), float("1e-3"), int(1.9): Python's conversions.
std::int64_t text_to_int(const std::string& text, const PythonPlace& place);
double text_to_float(const std::string& text, const PythonPlace& place);
std::int64_t float_to_int(double value, const PythonPlace& place);

// repr(): the shortest digits that read back as the same float; 1e-05, 0.0001, 1e+16, 3.0.
std::string float_to_text(double value);

}  // namespace gpt
