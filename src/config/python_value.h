// Python's values and operators, as far as config files need them. Nothing is changed in place, so
// that no value contains itself.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "python_lexer.h"

namespace gpt {

struct PythonContainer;

// A module, a function or what belongs to one, by its full name: "os.environ", "torch.float16".
struct PythonObject {
  std::string name;
};

// monostate: None. Integers are of 64 bits; what does not fit is an error.
using PythonValue = std::variant<std::monostate, bool, std::int64_t, double, std::string,
                                 std::shared_ptr<const PythonContainer>, PythonObject>;
using PythonItems = std::vector<PythonValue>;

struct PythonContainer {
  enum Kind { kList, kTuple, kDict };
  Kind kind;
  PythonItems items;       // of a dict: key, value, key, value, ...
  std::size_t weight = 0;  // see weight_of
  int depth = 1;
};

PythonValue make_container(PythonContainer::Kind kind, PythonItems items, const PythonPlace& place);

// About its bytes, each part counted as often as it can be reached: a file of a few lines could
// double a text or a list until memory ends, so the evaluator adds up what it makes.
std::size_t weight_of(const PythonValue& value);

const PythonContainer* container_of(const PythonValue& value);  // null if it is none
std::string kind_of(const PythonValue& value);                  // "int", "torch.float16"
// The items of a list or tuple, the keys of a dict; fails for what has none.
PythonItems items_of(const PythonValue& value, const PythonPlace& place);
const PythonValue* find_key(const PythonContainer& dict, const PythonValue& key,
                            const PythonPlace& place);

bool is_true(const PythonValue& value, const PythonPlace& place);
double number_of(const PythonValue& value, const PythonPlace& place);
std::int64_t integer_of(const PythonValue& value, const PythonPlace& place);
std::int64_t to_integer(double value, const PythonPlace& place);

// `operation`: + - * / // % ** == != < <= > >= in is. Fails where Python would raise.
PythonValue apply_binary(std::string_view operation, const PythonValue& left,
                         const PythonValue& right, const PythonPlace& place);
bool compare(std::string_view operation, const PythonValue& left, const PythonValue& right,
             const PythonPlace& place);
// `operation`: + - not.
PythonValue apply_unary(std::string_view operation, const PythonValue& value,
                        const PythonPlace& place);
// value[index]
PythonValue element_of(const PythonValue& value, const PythonValue& index,
                       const PythonPlace& place);

// str(), what an f-string writes for {value:spec}, and pattern % values.
std::string text_of(const PythonValue& value, const PythonPlace& place);
std::string format_value(const PythonValue& value, std::string_view spec, const PythonPlace& place);
std::string format_percent(std::string_view pattern, const PythonValue& values,
                           const PythonPlace& place);

}  // namespace gpt
