#include "python_value.h"

#include <cmath>

#include "gpt/base/strings.h"

#include "python_number.h"

namespace gpt {

namespace {

// Doubling a text line by line must not eat the memory.
constexpr std::size_t kLongestText = 1 << 16;

const char* type_name(const PythonValue& value) {
  constexpr const char* kNames[] = {"None", "bool", "int", "float", "str"};
  return kNames[value.index()];
}

bool is_number(const PythonValue& value) {
  return value.index() >= 1 && value.index() <= 3;
}

bool is_float(const PythonValue& value) {
  return std::holds_alternative<double>(value);
}

std::int64_t as_int(const PythonValue& value) {
  if (const bool* v = std::get_if<bool>(&value)) return *v;
  return std::get<std::int64_t>(value);
}

double as_float(const PythonValue& value) {
  if (const double* v = std::get_if<double>(&value)) return *v;
  return static_cast<double>(as_int(value));
}

[[noreturn]] void fail_overflow(const PythonPlace& place) {
  place.fail("the result does not fit an integer of 64 bits");
}

// Python rounds towards minus infinity and gives the remainder the divisor's sign.
std::int64_t floor_divide(std::int64_t a, std::int64_t b) {
  return a / b - (a % b != 0 && (a < 0) != (b < 0));
}

double float_remainder(double a, double b) {
  const double rest = std::fmod(a, b);
  if (rest == 0) return std::copysign(0.0, b);
  return (rest < 0) != (b < 0) ? rest + b : rest;
}

// Through the remainder, as a / b may round up across an integer: 1 // 0.1 is 9.
double float_floor_divide(double a, double b) {
  const double rest = std::fmod(a, b);
  double quotient = (a - rest) / b;
  if (rest != 0 && (rest < 0) != (b < 0)) quotient -= 1;
  if (quotient == 0) return std::copysign(0.0, a / b);
  // An integer but for rounding errors, which may fall on either side.
  const double whole = std::floor(quotient);
  return quotient - whole > 0.5 ? whole + 1 : whole;
}

PythonValue int_power(std::int64_t base, std::int64_t exponent, const PythonPlace& place) {
  if (exponent < 0) {
    if (base == 0) place.fail("0 cannot be raised to a negative power");
    return std::pow(static_cast<double>(base), static_cast<double>(exponent));
  }
  if (base == 0 || base == 1) return exponent == 0 ? 1 : base;
  if (base == -1) return std::int64_t{exponent % 2 == 0 ? 1 : -1};
  std::int64_t result = 1;
  for (std::int64_t i = 0; i < exponent; ++i)  // overflows within 63 rounds
    if (__builtin_mul_overflow(result, base, &result)) fail_overflow(place);
  return result;
}

PythonValue float_power(double base, double exponent, const PythonPlace& place) {
  if (base == 0 && exponent < 0) place.fail("0 cannot be raised to a negative power");
  if (base < 0 && std::isfinite(base) && std::isfinite(exponent) &&
      std::floor(exponent) != exponent)
    place.fail("a negative number to a broken power is no real number");
  const double result = std::pow(base, exponent);
  if (std::isinf(result) && std::isfinite(base) && std::isfinite(exponent))
    place.fail("the result does not fit a float");
  return result;
}

PythonValue int_arithmetic(const std::string& operation, std::int64_t a, std::int64_t b,
                           const PythonPlace& place) {
  std::int64_t result = 0;
  bool overflow = false;
  if (operation == "+") {
    overflow = __builtin_add_overflow(a, b, &result);
  } else if (operation == "-") {
    overflow = __builtin_sub_overflow(a, b, &result);
  } else if (operation == "*") {
    overflow = __builtin_mul_overflow(a, b, &result);
  } else if (operation == "**") {
    return int_power(a, b, place);
  } else if (b == 0) {
    place.fail("division by zero");
  } else if (operation == "/") {
    return static_cast<double>(a) / static_cast<double>(b);
  } else if (b == -1) {  // the one case where / itself overflows
    if (operation == "//") overflow = __builtin_sub_overflow(std::int64_t{0}, a, &result);
  } else {
    result = operation == "//" ? floor_divide(a, b) : a - floor_divide(a, b) * b;
  }
  if (overflow) fail_overflow(place);
  return result;
}

PythonValue float_arithmetic(const std::string& operation, double a, double b,
                             const PythonPlace& place) {
  if (operation == "+") return a + b;
  if (operation == "-") return a - b;
  if (operation == "*") return a * b;
  if (operation == "**") return float_power(a, b, place);
  if (b == 0) place.fail("division by zero");
  if (operation == "/") return a / b;
  return operation == "//" ? float_floor_divide(a, b) : float_remainder(a, b);
}

[[noreturn]] void fail_types(const std::string& operation, const PythonValue& left,
                             const PythonValue& right, const PythonPlace& place) {
  place.fail(concat("cannot use ", operation, " on ", type_name(left), " and ", type_name(right)));
}

template <class T>
bool ordered(const std::string& operation, const T& a, const T& b) {
  if (operation == "==") return a == b;
  if (operation == "!=") return a != b;
  if (operation == "<") return a < b;
  if (operation == "<=") return a <= b;
  if (operation == ">") return a > b;
  return a >= b;
}

bool compare(const std::string& operation, const PythonValue& left, const PythonValue& right,
             const PythonPlace& place) {
  if (is_number(left) && is_number(right)) {
    if (!is_float(left) && !is_float(right)) return ordered(operation, as_int(left), as_int(right));
    // A long double of x86 and Arm holds every int64, so the comparison is exact, as Python's is.
    const auto wide = [](const PythonValue& v) {
      return is_float(v) ? static_cast<long double>(std::get<double>(v))
                         : static_cast<long double>(as_int(v));
    };
    return ordered(operation, wide(left), wide(right));
  }
  if (left.index() == right.index() && std::holds_alternative<std::string>(left))
    return ordered(operation, std::get<std::string>(left), std::get<std::string>(right));
  if (operation == "==") return left == right;
  if (operation == "!=") return left != right;
  fail_types(operation, left, right, place);
}

}  // namespace

bool is_true(const PythonValue& value) {
  if (std::holds_alternative<std::monostate>(value)) return false;
  if (const auto* text = std::get_if<std::string>(&value)) return !text->empty();
  return is_float(value) ? as_float(value) != 0 : as_int(value) != 0;
}

PythonValue apply_binary(const std::string& operation, const PythonValue& left,
                         const PythonValue& right, const PythonPlace& place) {
  if (operation == "==" || operation == "!=" || operation[0] == '<' || operation[0] == '>')
    return compare(operation, left, right, place);
  if (is_number(left) && is_number(right)) {
    if (is_float(left) || is_float(right))
      return float_arithmetic(operation, as_float(left), as_float(right), place);
    return int_arithmetic(operation, as_int(left), as_int(right), place);
  }
  const auto* first = std::get_if<std::string>(&left);
  const auto* second = std::get_if<std::string>(&right);
  if (operation != "+" || !first || !second) fail_types(operation, left, right, place);
  if (first->size() + second->size() > kLongestText)
    place.fail(concat("the text is longer than ", kLongestText, " bytes"));
  return *first + *second;
}

PythonValue apply_unary(const std::string& operation, const PythonValue& value,
                        const PythonPlace& place) {
  if (operation == "not") return !is_true(value);
  if (!is_number(value)) place.fail(concat("cannot use ", operation, " on ", type_name(value)));
  if (is_float(value)) return operation == "-" ? -as_float(value) : as_float(value);
  if (operation == "+") return as_int(value);
  return int_arithmetic("-", 0, as_int(value), place);
}

PythonValue convert(const std::string& function, const PythonValue& value,
                    const PythonPlace& place) {
  if (std::holds_alternative<std::monostate>(value) && function != "str")
    place.fail(function + "(None) is no number");
  const auto* text = std::get_if<std::string>(&value);
  if (function == "float") return text ? text_to_float(*text, place) : as_float(value);
  if (function == "int") {
    if (text) return text_to_int(*text, place);
    return is_float(value) ? float_to_int(as_float(value), place) : as_int(value);
  }
  if (text) return *text;
  if (std::holds_alternative<std::monostate>(value)) return std::string("None");
  if (const bool* truth = std::get_if<bool>(&value)) return std::string(*truth ? "True" : "False");
  return is_float(value) ? float_to_text(as_float(value)) : std::to_string(as_int(value));
}

}  // namespace gpt
