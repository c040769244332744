// A option is written once: FIELD(type, name, doc, check) = default. Flags, JSON, the .py reader,
// --help, --print_config, the saved config and the README table are visitors over the fields.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace gpt {

// Tells the FIELDs of one struct apart by their line; __LINE__ is the same in every file.
template <int Line>
struct At {};

// A number that the program chooses when it says "auto".
struct AutoInt {
  std::optional<std::int64_t> value;  // empty: auto
  std::int64_t or_else(std::int64_t otherwise) const { return value.value_or(otherwise); }
  bool operator==(const AutoInt&) const = default;
};

template <class Struct, class T, class Check>
struct Field {
  const char* key;
  T Struct::*member;
  const char* doc;
  Check check;  // bool holds(const T&) and std::string says()
};
template <class Struct, class T, class Check>
Field(const char*, T Struct::*, const char*, Check) -> Field<Struct, T, Check>;

#define CONFIG(Type) \
  using Self = Type; \
  static constexpr int kFirst = __LINE__
#define FIELD(T, name, doc, check)                       \
  static constexpr auto describe(::gpt::At<__LINE__>) {  \
    return ::gpt::Field{#name, &Self::name, doc, check}; \
  }                                                      \
  T name
#define END_CONFIG static constexpr int kLast = __LINE__

template <class Struct, int Line = Struct::kFirst>
constexpr void for_each_field(auto&& visit) {
  if constexpr (requires { Struct::describe(At<Line>{}); }) visit(Struct::describe(At<Line>{}));
  if constexpr (Line < Struct::kLast) for_each_field<Struct, Line + 1>(visit);
}

}  // namespace gpt
