#include "python_value.h"

#include <algorithm>
#include <cmath>

#include "gpt/base/strings.h"

namespace gpt {

namespace {

constexpr int kDeepestList = 32;  // lists in lists

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
  place.fail("the result does not fit an integer of 64 bits; write a float, such as 1e20");
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

double float_power(double base, double exponent, const PythonPlace& place) {
  if (base == 0 && exponent < 0) place.fail("0 cannot be raised to a negative power");
  if (base < 0 && std::isfinite(base) && std::isfinite(exponent) &&
      std::floor(exponent) != exponent)
    place.fail("a negative number to a broken power is no real number");
  const double result = std::pow(base, exponent);
  if (std::isinf(result) && std::isfinite(base) && std::isfinite(exponent))
    place.fail("the result does not fit a float");
  return result;
}

PythonValue int_arithmetic(std::string_view operation, std::int64_t a, std::int64_t b,
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

[[noreturn]] void fail_types(std::string_view operation, const PythonValue& left,
                             const PythonValue& right, const PythonPlace& place) {
  place.fail(concat("cannot use ", operation, " on ", kind_of(left), " and ", kind_of(right)));
}

PythonValue float_arithmetic(std::string_view operation, double a, double b,
                             const PythonPlace& place) {
  if (operation == "+") return a + b;
  if (operation == "-") return a - b;
  if (operation == "*") return a * b;
  if (operation == "**") return float_power(a, b, place);
  if (b == 0) place.fail("division by zero");
  if (operation == "/") return a / b;
  return operation == "//" ? float_floor_divide(a, b) : float_remainder(a, b);
}

template <class T>
bool ordered(std::string_view operation, const T& a, const T& b) {
  if (operation == "==") return a == b;
  if (operation == "!=") return a != b;
  if (operation == "<") return a < b;
  if (operation == "<=") return a <= b;
  if (operation == ">") return a > b;
  return a >= b;
}

bool compare_containers(std::string_view operation, const PythonContainer& a,
                        const PythonContainer& b, const PythonPlace& place) {
  const std::size_t common = std::min(a.items.size(), b.items.size());
  for (std::size_t i = 0; i < common; ++i)
    if (!compare("==", a.items[i], b.items[i], place))
      return operation == "=="
                 ? false
                 : operation == "!=" || compare(operation, a.items[i], b.items[i], place);
  return ordered(operation, a.items.size(), b.items.size());
}

bool contains(const PythonValue& value, const PythonValue& whole, const PythonPlace& place) {
  const auto *part = std::get_if<std::string>(&value), *text = std::get_if<std::string>(&whole);
  if (part && text) return text->find(*part) != std::string::npos;
  const PythonContainer* container = container_of(whole);
  if (!container) fail_types("in", value, whole, place);
  if (container->kind == PythonContainer::kDict) return find_key(*container, value, place);
  return std::any_of(container->items.begin(), container->items.end(),
                     [&](const PythonValue& item) { return compare("==", item, value, place); });
}

}  // namespace

const PythonContainer* container_of(const PythonValue& value) {
  const auto* shared = std::get_if<std::shared_ptr<const PythonContainer>>(&value);
  return shared ? shared->get() : nullptr;
}

PythonValue make_container(PythonContainer::Kind kind, PythonItems items,
                           const PythonPlace& place) {
  PythonContainer made{kind, std::move(items)};
  for (const PythonValue& item : made.items) {
    made.weight += weight_of(item);
    if (const PythonContainer* inner = container_of(item))
      made.depth = std::max(made.depth, inner->depth + 1);
  }
  if (made.depth > kDeepestList)
    place.fail(concat("lists are nested more than ", kDeepestList, " levels deep; make them flat"));
  return std::make_shared<const PythonContainer>(std::move(made));
}

std::size_t weight_of(const PythonValue& value) {
  const auto* text = std::get_if<std::string>(&value);
  const PythonContainer* container = container_of(value);
  return sizeof(PythonValue) + (text ? text->size() : container ? container->weight : 0);
}

std::string kind_of(const PythonValue& value) {
  constexpr const char* kNames[] = {"None", "bool", "int", "float", "str"};
  constexpr const char* kContainers[] = {"list", "tuple", "dict"};
  if (const auto* object = std::get_if<PythonObject>(&value)) return object->name.substr(0, 60);
  if (const PythonContainer* container = container_of(value)) return kContainers[container->kind];
  return kNames[value.index()];
}

PythonItems items_of(const PythonValue& value, const PythonPlace& place) {
  const PythonContainer* container = container_of(value);
  if (!container) place.fail(concat("expected a list or a tuple, found ", kind_of(value)));
  if (container->kind != PythonContainer::kDict) return container->items;
  PythonItems keys;
  for (std::size_t i = 0; i < container->items.size(); i += 2) keys.push_back(container->items[i]);
  return keys;
}

bool is_true(const PythonValue& value, const PythonPlace& place) {
  if (std::holds_alternative<std::monostate>(value)) return false;
  if (const auto* text = std::get_if<std::string>(&value)) return !text->empty();
  if (const PythonContainer* container = container_of(value)) return !container->items.empty();
  if (const auto* object = std::get_if<PythonObject>(&value))
    place.refuse(concat("what ", object->name,
                        " is on this machine is not known here; write True "
                        "or False"));
  return is_float(value) ? as_float(value) != 0 : as_int(value) != 0;
}

std::int64_t to_integer(double value, const PythonPlace& place) {
  // 2^63 is the first float beyond; false for NaN.
  if (!(value >= -0x1p63 && value < 0x1p63))
    place.fail("the float does not fit an integer of 64 bits");
  return static_cast<std::int64_t>(value);
}

double number_of(const PythonValue& value, const PythonPlace& place) {
  if (!is_number(value)) place.fail(concat("expected a number, found ", kind_of(value)));
  return as_float(value);
}

std::int64_t integer_of(const PythonValue& value, const PythonPlace& place) {
  if (!is_number(value) || is_float(value))
    place.fail(concat("expected an integer, found ", kind_of(value)));
  return as_int(value);
}

bool compare(std::string_view operation, const PythonValue& left, const PythonValue& right,
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
  const bool equality = operation == "==" || operation == "!=";
  if (std::holds_alternative<PythonObject>(left) || std::holds_alternative<PythonObject>(right)) {
    if (left.index() != right.index() || !equality) fail_types(operation, left, right, place);
    return ordered(operation, std::get<PythonObject>(left).name,
                   std::get<PythonObject>(right).name);
  }
  const PythonContainer *a = container_of(left), *b = container_of(right);
  if (a && b && a->kind == b->kind && a->kind != PythonContainer::kDict)
    return compare_containers(operation, *a, *b, place);
  const auto *first = std::get_if<std::string>(&left), *second = std::get_if<std::string>(&right);
  if (first && second) return ordered(operation, *first, *second);
  if (!equality || (a && b)) fail_types(operation, left, right, place);
  const bool none = left.index() == 0 && right.index() == 0;
  return none == (operation == "==");
}

PythonValue apply_binary(std::string_view operation, const PythonValue& left,
                         const PythonValue& right, const PythonPlace& place) {
  if (operation == "in") return contains(left, right, place);
  if (operation == "is") return left.index() == right.index() && compare("==", left, right, place);
  if (operation == "==" || operation == "!=" || operation == "<" || operation == "<=" ||
      operation == ">" || operation == ">=")
    return compare(operation, left, right, place);
  if (is_number(left) && is_number(right)) {
    if (is_float(left) || is_float(right))
      return float_arithmetic(operation, as_float(left), as_float(right), place);
    return int_arithmetic(operation, as_int(left), as_int(right), place);
  }
  const auto *text = std::get_if<std::string>(&left), *more = std::get_if<std::string>(&right);
  if (operation == "%" && text) return format_percent(*text, right, place);
  if (operation == "+" && text && more) return *text + *more;
  const PythonContainer *list = container_of(left), *second = container_of(right);
  if (operation != "+" || !list || !second || list->kind != second->kind ||
      list->kind == PythonContainer::kDict)
    fail_types(operation, left, right, place);
  PythonItems both = list->items;
  both.insert(both.end(), second->items.begin(), second->items.end());
  return make_container(list->kind, std::move(both), place);
}

PythonValue apply_unary(std::string_view operation, const PythonValue& value,
                        const PythonPlace& place) {
  if (operation == "not") return !is_true(value, place);
  if (!is_number(value)) place.fail(concat("cannot use ", operation, " on ", kind_of(value)));
  if (is_float(value)) return operation == "-" ? -as_float(value) : as_float(value);
  if (operation == "+") return as_int(value);
  return int_arithmetic("-", 0, as_int(value), place);
}

const PythonValue* find_key(const PythonContainer& dict, const PythonValue& key,
                            const PythonPlace& place) {
  for (std::size_t i = 0; i < dict.items.size(); i += 2)
    if (dict.items[i].index() == key.index() && compare("==", dict.items[i], key, place))
      return &dict.items[i + 1];
  return nullptr;
}

PythonValue element_of(const PythonValue& value, const PythonValue& index,
                       const PythonPlace& place) {
  const PythonContainer* container = container_of(value);
  if (container && container->kind == PythonContainer::kDict) {
    if (const PythonValue* found = find_key(*container, index, place)) return *found;
    place.fail(concat("the dict has no key ", text_of(index, place).substr(0, 60)));
  }
  const PythonItems items = items_of(value, place);
  const auto size = static_cast<std::int64_t>(items.size());
  const std::int64_t at = integer_of(index, place);
  if (at < -size || at >= size)
    place.fail(concat("expected an index from ", -size, " to ", size - 1, ", found ", at));
  return items[static_cast<std::size_t>(at < 0 ? at + size : at)];
}

}  // namespace gpt
