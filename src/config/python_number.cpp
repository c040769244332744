#include "python_number.h"

#include <charconv>
#include <cmath>

#include "gpt/base/strings.h"

namespace gpt {

namespace {

bool has_prefix(std::string_view digits) {
  return digits.size() > 1 && digits[0] == '0' &&
         std::string_view("xXoObB").find(digits[1]) != std::string_view::npos;
}

// 1_000 -> 1000; an underscore stands between two digits, or after a base's prefix.
std::string without_underscores(std::string_view digits, const PythonPlace& place) {
  // What is no digit of the base is found when the number is read.
  const auto may_touch = [any = has_prefix(digits)](char c) {
    return any ? c != '_' : is_digit(c);
  };
  std::string out;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    if (digits[i] != '_')
      out += digits[i];
    else if (i == 0 || i + 1 == digits.size() || !may_touch(digits[i - 1]) ||
             !may_touch(digits[i + 1]))
      place.fail("an underscore in a number stands between digits");
  }
  return out;
}

std::int64_t read_integer(std::string_view digits, int base, const PythonPlace& place) {
  std::int64_t value = 0;
  const char* end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, value, base);
  if (error == std::errc::result_out_of_range)
    place.fail("the number does not fit an integer of 64 bits");
  if (error != std::errc() || stop != end) place.fail("not a number");
  return value;
}

double read_float(std::string_view digits, const PythonPlace& place) {
  double value = 0;
  const char* end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, value);
  if (error == std::errc::result_out_of_range) place.fail("the number does not fit a float");
  if (error != std::errc() || stop != end) place.fail("not a number");
  return value;
}

// Without the white space around it and its plus sign, which from_chars does not take.
std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\n\r\f\v";
  const auto first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  text = text.substr(first, text.find_last_not_of(kSpace) - first + 1);
  const bool plus = text.size() > 1 && text[0] == '+' && text[1] != '-';
  return plus ? text.substr(1) : text;
}

}  // namespace

std::variant<std::int64_t, double> read_number(std::string_view digits, const PythonPlace& place) {
  const std::string plain = without_underscores(digits, place);
  if (has_prefix(plain)) {
    const char mark = static_cast<char>(plain[1] | 0x20);
    const int base = mark == 'x' ? 16 : mark == 'o' ? 8 : 2;
    return read_integer(std::string_view(plain).substr(2), base, place);
  }
  if (plain.find_first_of(".eE") != std::string::npos) return read_float(plain, place);
  const std::int64_t value = read_integer(plain, 10, place);
  if (plain[0] == '0' && value != 0) place.fail("an integer may not begin with 0; octal is 0o17");
  return value;
}

std::int64_t text_to_int(const std::string& text, const PythonPlace& place) {
  return read_integer(without_underscores(trimmed(text), place), 10, place);
}

double text_to_float(const std::string& text, const PythonPlace& place) {
  return read_float(without_underscores(trimmed(text), place), place);
}

std::int64_t float_to_int(double value, const PythonPlace& place) {
  // 2^63 is the first float beyond; false for NaN.
  if (!(value >= -0x1p63 && value < 0x1p63))
    place.fail("the float does not fit an integer of 64 bits");
  return static_cast<std::int64_t>(value);
}

std::string float_to_text(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  char buffer[64];
  const auto shortest = [&](std::chars_format layout) {
    return std::string(buffer, std::to_chars(buffer, buffer + sizeof buffer, value, layout).ptr);
  };
  const std::string scientific = shortest(std::chars_format::scientific);
  const int exponent = std::stoi(scientific.substr(scientific.find('e') + 1));
  // Python's bounds for plain digits; both notations use the same shortest ones.
  if (exponent < -4 || exponent >= 16) return scientific;
  const std::string plain = shortest(std::chars_format::fixed);
  return plain.find('.') == std::string::npos ? plain + ".0" : plain;
}

}  // namespace gpt
