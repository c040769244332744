// Python's spelling of numbers.
#include <charconv>
#include <optional>

#include "python_lexer.h"

namespace gpt {

namespace {

bool is_decimal_digit(char c) {
  return c >= '0' && c <= '9';
}

bool has_prefix(std::string_view digits) {
  return digits.size() > 1 && digits[0] == '0' &&
         std::string_view("xXoObB").find(digits[1]) != std::string_view::npos;
}

// 1_000 -> 1000; an underscore stands between two digits, or after a base's prefix.
std::optional<std::string> without_underscores(std::string_view digits) {
  // What is no digit of the base is found when the number is read.
  const auto may_touch = [any = has_prefix(digits)](char c) {
    return any ? c != '_' : is_decimal_digit(c);
  };
  std::string out;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    if (digits[i] != '_')
      out += digits[i];
    else if (i == 0 || i + 1 == digits.size() || !may_touch(digits[i - 1]) ||
             !may_touch(digits[i + 1]))
      return std::nullopt;
  }
  return out;
}

template <class T, class... Base>
std::string convert(std::string_view digits, const char* kind, PythonNumber* number, Base... base) {
  T value{};
  const char* end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, value, base...);
  if (error == std::errc::result_out_of_range)
    return std::string("the number does not fit ") + kind;
  if (error != std::errc() || stop != end) return "not a number";
  *number = value;
  return "";
}

constexpr const char* kInteger = "an integer of 64 bits";

// Without the white space around it and its plus sign, which from_chars does not take.
std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\n\r\f\v";
  const auto first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  text = text.substr(first, text.find_last_not_of(kSpace) - first + 1);
  const bool plus = text.size() > 1 && text[0] == '+' && text[1] != '-';
  return plus ? text.substr(1) : text;
}

constexpr const char* kUnderscore = "an underscore in a number stands between digits";

}  // namespace

std::string read_number(std::string_view digits, PythonNumber* number) {
  const auto plain = without_underscores(digits);
  if (!plain) return kUnderscore;
  if (has_prefix(*plain)) {
    const char mark = static_cast<char>((*plain)[1] | 0x20);
    const int base = mark == 'x' ? 16 : mark == 'o' ? 8 : 2;
    return convert<std::int64_t>(std::string_view(*plain).substr(2), kInteger, number, base);
  }
  if (plain->find_first_of(".eE") != std::string::npos)
    return convert<double>(*plain, "a float", number);
  std::string wrong = convert<std::int64_t>(*plain, kInteger, number);
  if (wrong.empty() && (*plain)[0] == '0' && std::get<std::int64_t>(*number) != 0)
    wrong = "an integer may not begin with 0; octal is 0o17";
  return wrong;
}

std::string text_to_int(std::string_view text, PythonNumber* number) {
  const auto plain = without_underscores(trimmed(text));
  return plain ? convert<std::int64_t>(*plain, kInteger, number) : kUnderscore;
}

std::string text_to_float(std::string_view text, PythonNumber* number) {
  const auto plain = without_underscores(trimmed(text));
  return plain ? convert<double>(*plain, "a float", number) : kUnderscore;
}

}  // namespace gpt
