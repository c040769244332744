// How Python writes values: str(), f-strings' format specifications, and %.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>

#include "gpt/base/strings.h"

#include "python_value.h"

namespace gpt {

namespace {

// repr(): the shortest digits that read back as the same float; 1e-05, 0.0001, 1e+16, 3.0.
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

// [[fill]align][sign][0][width][,][.precision][type]
struct Spec {
  char fill = ' ', align = '\0', sign = '-', grouping = '\0', type = '\0';
  int width = 0, precision = -1;
};

bool take(std::string_view& text, const char* one_of, char& taken) {
  if (text.empty() || text[0] == '\0' || !std::strchr(one_of, text[0])) return false;
  taken = text[0];
  text.remove_prefix(1);
  return true;
}

int take_number(std::string_view& text, int otherwise, const PythonPlace& place) {
  int value = 0, digits = 0;
  for (char digit = '\0'; take(text, "0123456789", digit); ++digits)
    if ((value = value * 10 + (digit - '0')) > 1000)
      place.fail("a width in a format is at most 1000");
  return digits > 0 ? value : otherwise;
}

Spec parse_spec(std::string_view text, const PythonPlace& place) {
  const std::string_view whole = text;
  Spec spec;
  char ignored = '\0';
  if (text.size() > 1 && std::strchr("<>=^", text[1]) && text[0] > ' ') {
    spec.fill = text[0];
    text.remove_prefix(1);
  }
  take(text, "<>=^", spec.align);
  take(text, "+- ", spec.sign);
  if (take(text, "0", ignored)) {
    if (spec.fill == ' ') spec.fill = '0';
    if (!spec.align) spec.align = '=';
  }
  spec.width = take_number(text, 0, place);
  take(text, ",_", spec.grouping);
  if (take(text, ".", ignored)) spec.precision = take_number(text, 0, place);
  take(text, "dsxeEfFgG%", spec.type);
  if (!text.empty())
    place.refuse(concat("the format ':", whole.substr(0, 40), "' is not read; write another one"));
  return spec;
}

std::string padded(const std::string& sign, const std::string& text, const Spec& spec, char align) {
  const auto is_first = [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; };
  const auto length = static_cast<int>(sign.size()) +
                      static_cast<int>(std::count_if(text.begin(), text.end(), is_first));
  const int missing = std::max(0, spec.width - length);
  const int left = align == '<' ? 0 : align == '^' ? missing / 2 : missing;
  const std::string before(static_cast<std::size_t>(left), spec.fill);
  const std::string after(static_cast<std::size_t>(missing - left), spec.fill);
  return align == '=' ? sign + before + text : before + sign + text + after;
}

std::string grouped(const std::string& digits, char separator) {
  const std::size_t end = std::min(digits.find_first_not_of("0123456789"), digits.size());
  std::string out;
  for (std::size_t i = 0; i < end; ++i) {
    if (i > 0 && (end - i) % 3 == 0) out += separator;
    out += digits[i];
  }
  return out + digits.substr(end);
}

std::string float_digits(double value, const Spec& spec) {
  const int digits = spec.precision < 0 ? 6 : spec.precision;
  if (spec.type == '%') return format("%.*f%%", digits, value * 100);
  if (spec.type) {
    const char pattern[] = {'%', '.', '*', spec.type, '\0'};
    char text[2048];  // 309 digits before the point, 1000 after it
    const int size = std::snprintf(text, sizeof text, pattern, digits, value);
    return {text, static_cast<std::size_t>(size)};
  }
  if (spec.precision < 0) return float_to_text(value);
  const std::string text = format("%.*g", digits, value);
  return text.find_first_of(".en") == std::string::npos ? text + ".0" : text;
}

std::string format_number(const PythonValue& value, const Spec& spec, const PythonPlace& place) {
  const bool is_float = std::holds_alternative<double>(value);
  const bool whole = !is_float && (!spec.type || spec.type == 'd' || spec.type == 'x');
  if (spec.type == 's' || (is_float && (spec.type == 'd' || spec.type == 'x')))
    place.fail(concat("the format '", spec.type, "' does not fit ", kind_of(value)));
  const double number = number_of(value, place);
  std::string digits = float_digits(std::abs(number), spec);
  if (whole) {
    auto magnitude = static_cast<std::uint64_t>(integer_of(value, place));
    if (number < 0) magnitude = 0 - magnitude;
    digits = spec.type == 'x' ? format("%lx", magnitude) : std::to_string(magnitude);
  }
  if (spec.grouping) digits = grouped(digits, spec.grouping);
  const bool negative = std::signbit(number) && !std::isnan(number);
  const std::string sign = negative ? "-" : spec.sign == '-' ? "" : std::string(1, spec.sign);
  return padded(sign, digits, spec, spec.align ? spec.align : '>');
}

}  // namespace

std::string text_of(const PythonValue& value, const PythonPlace& place) {
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  if (std::holds_alternative<std::monostate>(value)) return "None";
  if (const bool* truth = std::get_if<bool>(&value)) return *truth ? "True" : "False";
  if (const double* number = std::get_if<double>(&value)) return float_to_text(*number);
  if (const auto* whole = std::get_if<std::int64_t>(&value)) return std::to_string(*whole);
  place.refuse(concat("a ", kind_of(value), " is not written as text; write ",
                      container_of(value) ? "its items" : "the text itself"));
}

std::string format_value(const PythonValue& value, std::string_view spec_text,
                         const PythonPlace& place) {
  if (spec_text.empty()) return text_of(value, place);
  const Spec spec = parse_spec(spec_text, place);
  const auto* text = std::get_if<std::string>(&value);
  if (!text) return format_number(value, spec, place);
  if ((spec.type && spec.type != 's') || spec.align == '=' || spec.grouping || spec.precision >= 0)
    place.fail(concat("the format ':", spec_text.substr(0, 40), "' does not fit str"));
  return padded("", *text, spec, spec.align ? spec.align : '<');
}

// Each conversion becomes the format specification that means the same.
std::string format_percent(std::string_view pattern, const PythonValue& values,
                           const PythonPlace& place) {
  const PythonContainer* tuple = container_of(values);
  if (tuple && tuple->kind != PythonContainer::kTuple) tuple = nullptr;
  const std::size_t count = tuple ? tuple->items.size() : 1;
  std::size_t used = 0;
  std::string out;
  for (std::size_t next; (next = pattern.find('%')) != pattern.npos;) {
    out += pattern.substr(0, next);
    pattern.remove_prefix(next + 1);
    char type = '\0';
    if (take(pattern, "%", type)) {
      out += '%';
      continue;
    }
    const std::size_t length =
        std::min(pattern.find_first_not_of("-+ 0123456789."), pattern.size());
    std::string spec(pattern.substr(0, length));
    pattern.remove_prefix(length);
    if (!take(pattern, "sdifeEgGx", type) || spec.find('-', 1) != spec.npos)
      place.refuse("this % conversion is not read; write an f-string");
    if (used == count) place.fail("this text has more % conversions than values");
    const PythonValue& value = tuple ? tuple->items[used] : values;
    ++used;
    const bool left = spec.starts_with('-');
    spec = left ? "<" + spec.substr(1) : spec.starts_with('0') ? spec : ">" + spec;
    const bool cut = type == 'd' || type == 'i';
    if (type == 's')
      out += format_value(text_of(value, place), spec, place);
    else if (cut && std::holds_alternative<double>(value))
      out += format_value(to_integer(std::get<double>(value), place), spec, place);
    else
      out += format_value(value, spec + (cut ? 'd' : type), place);
  }
  out += pattern;
  if (used != count) place.fail("this text has fewer % conversions than values");
  return out;
}

}  // namespace gpt
