// What a pickle file holds, as plain values: no object is made, no code is run.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace gpt {

struct PickleValue;

// The elements of containers are pointers into one PickleTree. Two places that held the same Python
// object hold the same pointer.
using PickleItems = std::vector<const PickleValue*>;

struct PickleNone {};
struct PickleBytes {
  std::string bytes;
};
struct PickleList {
  PickleItems items;
};
struct PickleTuple {
  PickleItems items;
};
struct PickleSet {
  PickleItems items;
};
// dict and OrderedDict, in the order of insertion; a key that comes again has replaced the value.
struct PickleDict {
  std::vector<std::pair<const PickleValue*, const PickleValue*>> items;
};
struct PickleLargeInteger {};  // an int beyond 64 bits; its value is not kept
// The name of a class or function; only a name.
struct PickleGlobal {
  std::string_view name;  // "torch.FloatStorage"; the tree holds it
};
// An object of a class, or the result of a function, of any name: neither is made or called. What
// the file says of it is kept.
struct PickleObject {
  std::string_view name;               // "torch._utils._rebuild_tensor_v2", "__main__.GPTConfig"
  PickleItems arguments;               // of the call
  PickleDict fields;                   // its attributes, and what it holds by key
  const PickleValue* state = nullptr;  // what its class would read attributes from, if no dict
};
// A reference to something outside of the pickle (torch.save: to a storage).
struct PicklePersistent {
  const PickleValue* id;
};

struct PickleValue {
  std::variant<PickleNone, bool, std::int64_t, double, std::string, PickleBytes, PickleList,
               PickleTuple, PickleSet, PickleDict, PickleLargeInteger, PickleGlobal, PickleObject,
               PicklePersistent>
      data;

  template <class T>
  const T* get_if() const {
    return std::get_if<T>(&data);
  }
};

// "a dict", "the integer 5", "the text 'abc'": for messages.
std::string described(const PickleValue& value);

// A dict, or the fields of an object that has some; nullptr for other values.
const PickleDict* keyed_items(const PickleValue& value);

// The value of a text key of a dict, or of an object's field; nullptr if there is none.
const PickleValue* find(const PickleValue& value, std::string_view key);

// The value as that type; else an InputError "WHERE: expected ..., found ...". An integer is a
// number too, a bool is none, as in Python's mind but not in its type system. What is returned by
// reference lives in `value`; g++ 13 and later would suspect a `where` by reference, too.
std::int64_t integer_of(const PickleValue& value, const std::string& where);
double number_of(const PickleValue& value, const std::string& where);
bool bool_of(const PickleValue& value, const std::string& where);
const std::string& text_of(const PickleValue& value, std::string_view where);
// A dict, or the fields of an object that has some.
const PickleDict& dict_of(const PickleValue& value, std::string_view where);
// The elements of a list or tuple.
const PickleItems& items_of(const PickleValue& value, std::string_view where);
// dict_of(value)[key]
const PickleValue& member_of(const PickleValue& value, std::string_view key,
                             std::string_view where);

// Owns the values; they live as long as it does.
class PickleTree {
 public:
  PickleTree() = default;
  PickleTree(PickleTree&&) = default;
  PickleTree& operator=(PickleTree&&) = default;

  const PickleValue& root() const { return *root_; }
  const std::deque<PickleValue>& values() const { return values_; }  // all, as they were read

 private:
  friend class Unpickler;
  std::deque<PickleValue> values_;  // flat, so that destruction does not recurse
  std::set<std::string> names_;     // of classes and functions, each once
  const PickleValue* root_ = nullptr;
};

}  // namespace gpt
