#include "pickle_numpy.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <map>
#include <span>

#include "gpt/formats/safetensors.h"

#include "pickle_cursor.h"

namespace gpt {

namespace {

// "f8", "U12", "b1", of dtype('f8') with the byte order set as a state: (3, '<', ...). "" if it is
// no such thing, or big endian.
std::string type_of(const PickleValue& value) {
  const auto* object = value.get_if<PickleObject>();
  if (!object || object->name != "numpy.dtype" || object->arguments.empty()) return "";
  const auto* type = object->arguments[0]->get_if<std::string>();
  const auto* state = object->state ? object->state->get_if<PickleTuple>() : nullptr;
  const auto* order =
      state && state->items.size() > 1 ? state->items[1]->get_if<std::string>() : nullptr;
  if (!type || (order && *order == ">")) return "";
  return type->find_first_of("<=|") == 0 ? type->substr(1) : *type;
}

template <class T>
T element(const std::string& bytes) {
  T value;
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

double half(std::uint16_t bits) {
  const int exponent = bits >> 10 & 31, fraction = bits & 1023;
  double size =
      exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(fraction + 1024, exponent - 25);
  if (exponent == 31) size = fraction == 0 ? HUGE_VAL : std::nan("");
  return bits >> 15 ? -size : size;
}

std::int64_t integer(const std::string& bytes, bool is_signed) {
  std::uint64_t value = 0;
  for (std::size_t i = bytes.size(); i-- > 0;)
    value = value << 8 | static_cast<unsigned char>(bytes[i]);
  const auto unused = static_cast<unsigned>(64 - 8 * bytes.size());
  return is_signed ? static_cast<std::int64_t>(value << unused) >> unused
                   : static_cast<std::int64_t>(value);
}

// Characters of four bytes each, with zeros behind.
bool utf32_to_utf8(const std::string& bytes, std::string* text) {
  std::string raw;
  for (std::size_t at = 0; at + 4 <= bytes.size(); at += 4) {
    const auto c = static_cast<std::uint32_t>(integer(bytes.substr(at, 4), /*is_signed=*/false));
    char escape[16];
    std::snprintf(escape, sizeof escape, "\\U%08x", c);
    if (c != 0) raw += escape;
  }
  return raw_unicode_to_utf8(raw, text);
}

std::string tensor_dtype(const std::string& type) {
  static const std::map<std::string, std::string> kTypes = {
      {"f2", "F16"}, {"f4", "F32"}, {"f8", "F64"}, {"i1", "I8"},  {"i2", "I16"},
      {"i4", "I32"}, {"i8", "I64"}, {"u1", "U8"},  {"b1", "BOOL"}};
  const auto found = kTypes.find(type);
  return found == kTypes.end() ? "" : found->second;
}

struct ArrayParts {
  const PickleValue *shape = nullptr, *type = nullptr, *bytes = nullptr;
  bool by_columns = false;
};

// _reconstruct(...) with the state (1, shape, dtype, Fortran's order?, bytes), or, with protocol 5,
// _frombuffer(bytes, dtype, shape, 'C' or 'F').
bool parts_of(const PickleObject& object, ArrayParts* parts) {
  if (object.name.ends_with(".multiarray._reconstruct")) {
    const auto* state = object.state ? object.state->get_if<PickleTuple>() : nullptr;
    if (!state || state->items.size() != 5) return false;
    const auto* by_columns = state->items[3]->get_if<bool>();
    *parts = {state->items[1], state->items[2], state->items[4], by_columns && *by_columns};
    return true;
  }
  if (!object.name.ends_with(".numeric._frombuffer") || object.arguments.size() != 4) return false;
  const auto* order = object.arguments[3]->get_if<std::string>();
  *parts = {object.arguments[2], object.arguments[1], object.arguments[0], order && *order == "F"};
  return true;
}

}  // namespace

bool is_numpy_scalar(const std::string& name) {
  return name == "numpy.core.multiarray.scalar" || name == "numpy._core.multiarray.scalar";
}

bool numpy_scalar(const PickleItems& arguments, decltype(PickleValue::data)* value) {
  const auto* held = arguments.size() == 2 ? arguments[1]->get_if<PickleBytes>() : nullptr;
  if (!held) return false;
  const std::string type = type_of(*arguments[0]);
  const std::string& bytes = held->bytes;
  if (type.starts_with('U')) {
    std::string text;
    if (!utf32_to_utf8(bytes, &text)) return false;
    *value = std::move(text);
    return true;
  }
  if (type.size() != 2 || bytes.size() != static_cast<std::size_t>(type[1] - '0')) return false;
  if (type == "b1") return *value = bytes[0] != 0, true;
  if (type == "f2") return *value = half(element<std::uint16_t>(bytes)), true;
  if (type == "f4") return *value = static_cast<double>(element<float>(bytes)), true;
  if (type == "f8") return *value = element<double>(bytes), true;
  if (type[0] != 'i' && type[0] != 'u') return false;
  const std::int64_t number = integer(bytes, type[0] == 'i');
  if (type == "u8" && number < 0) return *value = PickleLargeInteger{}, true;
  return *value = number, true;
}

bool numpy_array(const PickleValue& value, StridedTensor* array) {
  const auto* object = value.get_if<PickleObject>();
  ArrayParts parts;
  if (!object || !parts_of(*object, &parts)) return false;
  const auto* bytes = parts.bytes->get_if<PickleBytes>();
  const auto* shape = parts.shape->get_if<PickleTuple>();
  array->dtype = tensor_dtype(type_of(*parts.type));
  if (!bytes || !shape || array->dtype.empty()) return false;
  std::uint64_t size = safetensors_dtype_size(array->dtype);
  array->shape.clear();
  for (const PickleValue* item : shape->items) {
    const auto* length = item->get_if<std::int64_t>();
    if (!length || *length < 0 ||
        __builtin_mul_overflow(size, static_cast<std::uint64_t>(*length), &size))
      return false;
    array->shape.push_back(*length);
  }
  if (size != bytes->bytes.size()) return false;
  array->stride.assign(array->shape.size(), 1);
  std::int64_t step = 1;
  for (std::size_t i = 0; i < array->shape.size(); ++i) {
    const std::size_t d = parts.by_columns ? i : array->shape.size() - 1 - i;
    array->stride[d] = step;
    step *= std::max<std::int64_t>(1, array->shape[d]);
  }
  array->bytes = std::as_bytes(std::span(bytes->bytes.data(), bytes->bytes.size()));
  return true;
}

}  // namespace gpt
