// The stack machine of a pickle: opcodes in, one PickleTree out.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "gpt/base/strings.h"
#include "gpt/formats/pickle_value.h"
#include "gpt/formats/unpickler.h"

#include "pickle_cursor.h"

namespace gpt {

class Unpickler {
 public:
  Unpickler(std::span<const std::byte> bytes, const std::string& origin,
            const PickleLimits& limits);
  // Without `size` nothing may follow the pickle.
  PickleTree run(std::size_t* size = nullptr);

 private:
  // One opcode of a kind; false if it is of another kind.
  bool run_scalar(std::uint8_t opcode);
  bool run_text(std::uint8_t opcode);
  bool run_container(std::uint8_t opcode);
  bool run_stack(std::uint8_t opcode);
  bool run_memo(std::uint8_t opcode);
  bool run_object(std::uint8_t opcode);
  [[noreturn]] void refuse(std::uint8_t opcode);

  // Always true, so that a case is one statement.
  template <class T>
  bool push(T data) {
    if (tree_.values_.size() == limits_.values)
      cursor_.fail(concat("more than ", limits_.values, " values"));
    tree_.values_.push_back({std::move(data)});
    stack_.push_back(&tree_.values_.back());
    return true;
  }
  bool push_text(std::string_view utf8);
  bool push_bytes(std::string_view bytes);
  bool push_line_integer();
  bool push_line_number();
  bool push_integer(std::uint64_t bytes);
  bool push_old_string(std::string_view bytes);
  bool push_tuple(std::size_t size);

  PickleValue* top();
  PickleValue* pop();
  PickleItems pop_to_mark();
  template <class T>
  T& container(PickleValue* value, const char* kind);
  PickleDict& keyed(PickleValue* value);  // where its items by key are
  void set_items(PickleDict& dict, const PickleItems& items);

  void push_global(std::string name);
  void push_result(const PickleValue& function, const PickleValue& arguments);
  void push_object(const std::string& name, const PickleItems& arguments);
  bool push_plain(const std::string& name, const PickleItems& arguments);
  bool push_encoded(const PickleItems& arguments);
  void build();
  // What is copied from values that may be referred to many times: few bytes must not become many.
  void spend_bytes(std::size_t count);
  void spend_items(std::size_t count);
  void remember(std::uint64_t index);
  void recall(std::uint64_t index);

  PickleCursor cursor_;
  const PickleLimits& limits_;
  std::uint64_t spent_bytes_ = 0, spent_items_ = 0;
  PickleTree tree_;
  std::vector<PickleValue*> stack_;
  std::vector<std::size_t> marks_;  // heights of the stack
  std::unordered_map<std::uint64_t, PickleValue*> memo_;
};

}  // namespace gpt
