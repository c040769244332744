#include "gpt/formats/pickle_value.h"

#include "gpt/base/error.h"
#include "gpt/base/strings.h"
#include "gpt/base/terminal.h"

namespace gpt {

namespace {

struct Description {
  std::string operator()(PickleNone) const { return "None"; }
  std::string operator()(bool value) const { return value ? "True" : "False"; }
  std::string operator()(std::int64_t value) const { return concat("the integer ", value); }
  std::string operator()(double value) const { return concat("the number ", value); }
  std::string operator()(const std::string& text) const { return "the text " + quoted_name(text); }
  std::string operator()(const PickleBytes& v) const { return concat(v.bytes.size(), " bytes"); }
  std::string operator()(const PickleList& v) const { return sized("a list", v.items); }
  std::string operator()(const PickleTuple& v) const { return sized("a tuple", v.items); }
  std::string operator()(const PickleSet& v) const { return sized("a set", v.items); }
  std::string operator()(const PickleDict& v) const { return sized("a dict", v.items); }
  std::string operator()(const PickleGlobal& v) const { return "the name " + quoted_name(v.name); }
  std::string operator()(PickleLargeInteger) const { return "an integer beyond 64 bits"; }
  std::string operator()(const PickleObject& v) const {
    return (v.fields.items.empty() ? "the result of a call of " : "an object of ") +
           quoted_name(v.name);
  }
  std::string operator()(const PicklePersistent&) const { return "a reference to a storage"; }

 private:
  static std::string sized(const char* kind, const auto& items) {
    return concat(kind, " of ", items.size());
  }
};

[[noreturn]] void refuse(const PickleValue& value, std::string_view where, const char* expected) {
  throw InputError(concat(where, ": expected ", expected, ", found ", described(value)));
}

}  // namespace

const PickleDict* keyed_items(const PickleValue& value) {
  const auto* object = value.get_if<PickleObject>();
  if (object && !object->fields.items.empty()) return &object->fields;
  return value.get_if<PickleDict>();
}

std::string described(const PickleValue& value) {
  return std::visit(Description{}, value.data);
}

const PickleValue* find(const PickleValue& value, std::string_view key) {
  if (const PickleDict* dict = keyed_items(value))
    for (const auto& [name, item] : dict->items)
      if (const auto* text = name->get_if<std::string>(); text && *text == key) return item;
  return nullptr;
}

std::int64_t integer_of(const PickleValue& value, const std::string& where) {
  if (const auto* integer = value.get_if<std::int64_t>()) return *integer;
  refuse(value, where, "an integer");
}

double number_of(const PickleValue& value, const std::string& where) {
  if (const auto* number = value.get_if<double>()) return *number;
  if (const auto* integer = value.get_if<std::int64_t>()) return static_cast<double>(*integer);
  refuse(value, where, "a number");
}

bool bool_of(const PickleValue& value, const std::string& where) {
  if (const auto* flag = value.get_if<bool>()) return *flag;
  refuse(value, where, "True or False");
}

const std::string& text_of(const PickleValue& value, std::string_view where) {
  if (const auto* text = value.get_if<std::string>()) return *text;
  refuse(value, where, "a text");
}

const PickleDict& dict_of(const PickleValue& value, std::string_view where) {
  if (const PickleDict* dict = keyed_items(value)) return *dict;
  refuse(value, where, "a dict");
}

const PickleItems& items_of(const PickleValue& value, std::string_view where) {
  if (const auto* list = value.get_if<PickleList>()) return list->items;
  if (const auto* tuple = value.get_if<PickleTuple>()) return tuple->items;
  refuse(value, where, "a list");
}

const PickleValue& member_of(const PickleValue& value, std::string_view key,
                             std::string_view where) {
  dict_of(value, where);
  if (const PickleValue* found = find(value, key)) return *found;
  throw InputError(concat(where, ": key ", quoted_name(key), " is missing"));
}

}  // namespace gpt
