// The part of the stack machine that makes values.
#include <charconv>
#include <utility>

#include "gpt/base/strings.h"
#include "gpt/base/terminal.h"

#include "pickle_machine.h"

namespace gpt {

bool Unpickler::run_scalar(std::uint8_t opcode) {
  switch (opcode) {
    case 'N':
      return push(PickleNone{});
    case 0x88:
      return push(true);
    case 0x89:
      return push(false);
    case 'J':
      return push(cursor_.signed_number(4));
    case 'K':
      return push(static_cast<std::int64_t>(cursor_.unsigned_number(1)));
    case 'M':
      return push(static_cast<std::int64_t>(cursor_.unsigned_number(2)));
    case 0x8a:
      return push_integer(cursor_.unsigned_number(1));
    case 0x8b:
      return push_integer(cursor_.unsigned_number(4));
    case 'G':
      return push(cursor_.big_endian_double());
    case 'I':
    case 'L':
      return push_line_integer();
    case 'F':
      return push_line_number();
    default:
      return false;
  }
}

bool Unpickler::push_integer(std::uint64_t bytes) {
  if (bytes <= 8) return push(cursor_.signed_number(bytes));
  cursor_.take(bytes);
  return push(PickleLargeInteger{});
}

// "I01" and "I00" are True and False; "L12L" ends in an L.
bool Unpickler::push_line_integer() {
  std::string_view line = cursor_.line();
  if (line == "00" || line == "01") return push(line == "01");
  if (line.ends_with('L')) line.remove_suffix(1);
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), value);
  const bool large = error == std::errc::result_out_of_range;
  if (line.empty() || (error != std::errc() && !large) || end != line.data() + line.size())
    cursor_.fail("expected an integer, found " + quoted_name(line));
  return large ? push(PickleLargeInteger{}) : push(value);
}

bool Unpickler::push_line_number() {
  const std::string_view line = cursor_.line();
  double value = 0;
  const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), value);
  if (line.empty() || error != std::errc() || end != line.data() + line.size())
    cursor_.fail("expected a number, found " + quoted_name(line));
  return push(value);
}

bool Unpickler::run_text(std::uint8_t opcode) {
  const auto sized = [&](std::size_t bytes) {
    return cursor_.take(cursor_.unsigned_number(bytes));
  };
  switch (opcode) {
    case 'V': {
      std::string utf8;
      if (!raw_unicode_to_utf8(cursor_.line(), &utf8)) cursor_.fail("a text has a broken escape");
      return push_text(utf8);
    }
    case 0x8c:
      return push_text(sized(1));
    case 'X':
      return push_text(sized(4));
    case 0x8d:
      return push_text(sized(8));
    case 'T':
      return push_old_string(sized(4));
    case 'U':
      return push_old_string(sized(1));
    case 'C':
      return push_bytes(sized(1));
    case 'B':
      return push_bytes(sized(4));
    case 0x8e:
    case 0x96:
      return push_bytes(sized(8));
    default:
      return false;
  }
}

bool Unpickler::push_text(std::string_view utf8) {
  if (utf8.size() > limits_.text_bytes)
    cursor_.fail(
        concat("a text of ", utf8.size(), " bytes, at most ", limits_.text_bytes, " are allowed"));
  if (!is_utf8(utf8)) cursor_.fail("a text is not UTF-8; the file is damaged");
  return push(std::string(utf8));
}

// Python 2 has one type for texts and bytes.
bool Unpickler::push_old_string(std::string_view bytes) {
  return is_utf8(bytes) ? push_text(bytes) : push_bytes(bytes);
}

bool Unpickler::push_bytes(std::string_view bytes) {
  if (bytes.size() > limits_.text_bytes)
    cursor_.fail(concat(bytes.size(), " bytes, at most ", limits_.text_bytes, " are allowed"));
  return push(PickleBytes{std::string(bytes)});
}

bool Unpickler::run_container(std::uint8_t opcode) {
  switch (opcode) {
    case ']':
      return push(PickleList{});
    case '}':
      return push(PickleDict{});
    case ')':
      return push(PickleTuple{});
    case 0x8f:
      return push(PickleSet{});
    case 'l':
      return push(PickleList{pop_to_mark()});
    case 't':
      return push(PickleTuple{pop_to_mark()});
    case 0x91:
      return push(PickleSet{pop_to_mark()});
    case 'd': {
      PickleDict dict;
      set_items(dict, pop_to_mark());
      return push(std::move(dict));
    }
    case 0x85:
    case 0x86:
    case 0x87:
      return push_tuple(opcode - 0x84u);
    case 'a': {
      const PickleValue* item = pop();
      if (top()->get_if<PickleObject>()) return true;  // of a class that is a list, too
      container<PickleList>(top(), "a list").items.push_back(item);
      return true;
    }
    case 's': {
      const PickleValue* value = pop();
      const PickleValue* key = pop();
      set_items(keyed(top()), {key, value});
      return true;
    }
    case 'e':
    case 0x90:
    case 'u': {
      const PickleItems items = pop_to_mark();
      if (opcode == 'u') {
        set_items(keyed(top()), items);
      } else if (!top()->get_if<PickleObject>()) {
        auto& list = opcode == 'e' ? container<PickleList>(top(), "a list").items
                                   : container<PickleSet>(top(), "a set").items;
        list.insert(list.end(), items.begin(), items.end());
      }
      return true;
    }
    default:
      return false;
  }
}

bool Unpickler::push_tuple(std::size_t size) {
  PickleItems items(size);
  for (std::size_t i = size; i-- > 0;) items[i] = pop();
  return push(PickleTuple{std::move(items)});
}

template <class T>
T& Unpickler::container(PickleValue* value, const char* kind) {
  if (T* found = std::get_if<T>(&value->data)) return *found;
  cursor_.fail(concat("expected ", kind, " to add to, found ", described(*value)));
}

PickleDict& Unpickler::keyed(PickleValue* value) {
  if (auto* object = std::get_if<PickleObject>(&value->data)) return object->fields;
  return container<PickleDict>(value, "a dict");
}

void Unpickler::set_items(PickleDict& dict, const PickleItems& items) {
  if (items.size() % 2 != 0) cursor_.fail("a dict's key has no value");
  for (std::size_t i = 0; i < items.size(); i += 2) dict.items.emplace_back(items[i], items[i + 1]);
}

}  // namespace gpt
