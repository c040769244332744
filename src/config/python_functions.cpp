#include "python_functions.h"

#include <chrono>
#include <cmath>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <limits>
#include <map>
#include <numbers>
#include <thread>

#include "gpt/base/log.h"
#include "gpt/base/strings.h"
#include "gpt/config/python_reader.h"

namespace gpt {

namespace {

using Arguments = PythonArguments;

PythonValue number_from(const Arguments& a, bool whole) {
  const PythonValue& value = a.values[0];
  if (const auto* text = std::get_if<std::string>(&value)) {
    PythonNumber number;
    const std::string wrong = whole ? text_to_int(*text, &number) : text_to_float(*text, &number);
    if (!wrong.empty()) a.place.fail(wrong);
    return std::visit([](auto v) -> PythonValue { return v; }, number);
  }
  if (!whole) return number_of(value, a.place);
  if (const double* number = std::get_if<double>(&value)) return to_integer(*number, a.place);
  return integer_of(value, a.place);
}

// Half to even, as Python does.
PythonValue rounded(const Arguments& a) {
  const double value = number_of(a.values[0], a.place);
  const std::int64_t digits = a.values.size() > 1 ? integer_of(a.values[1], a.place) : 0;
  if (digits < 0 || digits > 300) a.place.fail("round() takes 0 to 300 digits here");
  if (!std::holds_alternative<double>(a.values[0])) return integer_of(a.values[0], a.place);
  if (a.values.size() == 1) return to_integer(std::nearbyint(value), a.place);
  return std::strtod(format("%.*f", static_cast<int>(digits), value).c_str(), nullptr);
}

// max() and min(): of several values or of the items of one.
PythonValue extreme(const Arguments& a, const char* operation) {
  const PythonItems items = a.values.size() == 1 ? items_of(a.values[0], a.place) : a.values;
  if (items.empty()) a.place.fail("expected at least one value");
  const PythonValue* best = &items.front();
  for (const PythonValue& item : items)
    if (compare(operation, item, *best, a.place)) best = &item;
  return *best;
}

PythonValue sum_of(const Arguments& a) {
  PythonItems sums{std::int64_t{0}};
  for (const PythonValue& item : items_of(a.values[0], a.place))
    sums.push_back(apply_binary("+", sums.back(), item, a.place));
  return sums.back();
}

PythonValue length_of(const Arguments& a) {
  const auto* text = std::get_if<std::string>(&a.values[0]);
  if (!text) return static_cast<std::int64_t>(items_of(a.values[0], a.place).size());
  std::int64_t characters = 0;
  for (const char c : *text) characters += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  return characters;
}

PythonValue range_of(const Arguments& a) {
  constexpr std::size_t kMost = 100000;
  const bool one = a.values.size() == 1;
  const std::int64_t step = a.values.size() > 2 ? integer_of(a.values[2], a.place) : 1;
  const std::int64_t end = integer_of(a.values[one ? 0 : 1], a.place);
  PythonItems items;
  for (std::int64_t i = one ? 0 : integer_of(a.values[0], a.place); step > 0 ? i < end : i > end;) {
    items.emplace_back(i);
    if (items.size() > kMost || step == 0)
      a.place.fail(concat("range() makes at most ", kMost, " values here"));
    if (__builtin_add_overflow(i, step, &i)) break;
  }
  return make_container(PythonContainer::kList, std::move(items), a.place);
}

PythonValue dict_of(const Arguments& a) {
  PythonItems items;
  for (const auto& [name, value] : a.named) {
    items.push_back(name);
    items.push_back(value);
  }
  return make_container(PythonContainer::kDict, std::move(items), a.place);
}

PythonValue print(const Arguments& a) {
  std::vector<std::string> words;
  for (const PythonValue& value : a.values) words.push_back(text_of(value, a.place));
  log_info(concat(a.place.source->name, ": ", join(words, " ")));
  return {};
}

PythonValue environment(const Arguments& a) {
  if (const char* value = std::getenv(a.text(0).c_str())) return std::string(value);
  return a.values.size() > 1 ? a.values[1] : PythonValue();
}

PythonValue joined_path(const Arguments& a) {
  std::filesystem::path path(a.text(0));
  for (std::size_t i = 1; i < a.values.size(); ++i) path /= a.text(i);
  return path.string();
}

PythonValue date_text(const Arguments& a) {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  localtime_r(&now, &parts);
  char text[256];
  return std::string(text, std::strftime(text, sizeof text, a.text(0).c_str(), &parts));
}

PythonValue seconds(const Arguments&) {
  using Seconds = std::chrono::duration<double>;
  return Seconds(std::chrono::system_clock::now().time_since_epoch()).count();
}

template <double (*kFunction)(double)>
PythonValue real(const Arguments& a) {
  const double value = number_of(a.values[0], a.place);
  const double result = kFunction(value);
  if (!std::isfinite(result) && std::isfinite(value))
    a.place.fail("the result is no finite number");
  return result;
}

template <double (*kFunction)(double)>
PythonValue integral(const Arguments& a) {
  if (!std::holds_alternative<double>(a.values[0])) return integer_of(a.values[0], a.place);
  return to_integer(kFunction(std::get<double>(a.values[0])), a.place);
}

struct Function {
  PythonValue (*call)(const Arguments&);
  std::size_t least, most;  // arguments
};

using Functions = std::map<std::string, Function, std::less<>>;
constexpr std::size_t kAny = std::numeric_limits<std::size_t>::max();

const Functions& functions() {
  static const Functions kFunctions{
      {"str",
       {[](const Arguments& a) -> PythonValue { return text_of(a.values[0], a.place); }, 1, 1}},
      {"int", {[](const Arguments& a) { return number_from(a, true); }, 1, 1}},
      {"float", {[](const Arguments& a) { return number_from(a, false); }, 1, 1}},
      {"bool",
       {[](const Arguments& a) -> PythonValue { return is_true(a.values[0], a.place); }, 1, 1}},
      {"max", {[](const Arguments& a) { return extreme(a, ">"); }, 1, kAny}},
      {"min", {[](const Arguments& a) { return extreme(a, "<"); }, 1, kAny}},
      {"round", {rounded, 1, 2}},
      {"abs",
       {[](const Arguments& a) {
          return apply_unary(number_of(a.values[0], a.place) < 0 ? "-" : "+", a.values[0], a.place);
        },
        1, 1}},
      {"len", {length_of, 1, 1}},
      {"range", {range_of, 1, 3}},
      {"sum", {sum_of, 1, 1}},
      {"dict", {dict_of, 0, 0}},
      {"print", {print, 0, kAny}},
      {"time.time", {seconds, 0, 0}},
      {"time.strftime", {date_text, 1, 1}},
      {"os.environ.get", {environment, 1, 2}},
      {"os.getenv", {environment, 1, 2}},
      {"os.path.join", {joined_path, 1, kAny}},
      {"os.cpu_count",
       {[](const Arguments&) -> PythonValue {
          return std::int64_t{std::thread::hardware_concurrency()};
        },
        0, 0}},
      {"math.sqrt", {real<std::sqrt>, 1, 1}},
      {"math.exp", {real<std::exp>, 1, 1}},
      {"math.log", {real<std::log>, 1, 1}},
      {"math.log2", {real<std::log2>, 1, 1}},
      {"math.log10", {real<std::log10>, 1, 1}},
      {"math.floor", {integral<std::floor>, 1, 1}},
      {"math.ceil", {integral<std::ceil>, 1, 1}},
      {"torch.cuda.is_available",
       {[](const Arguments&) -> PythonValue { return python_machine().cuda_devices > 0; }, 0, 0}},
      {"torch.cuda.device_count",
       {[](const Arguments&) -> PythonValue { return std::int64_t{python_machine().cuda_devices}; },
        0, 0}},
      {"torch.cuda.is_bf16_supported",
       {[](const Arguments&) -> PythonValue { return python_machine().cuda_bf16; }, 0, 0}},
      {"torch.backends.mps.is_available",
       {[](const Arguments&) -> PythonValue { return false; }, 0, 0}},
  };
  return kFunctions;
}

}  // namespace

std::string PythonArguments::text(std::size_t i) const {
  const auto* text = std::get_if<std::string>(&values[i]);
  if (!text) place.fail("expected a text, found " + kind_of(values[i]));
  return *text;
}

bool is_python_builtin(const std::string& name) {
  for (const char* module : {"np", "os", "time", "math", "torch", "pickle"})
    if (name == module) return true;
  return functions().contains(name);
}

PythonValue attribute_of(const PythonObject& object, const std::string& attribute) {
  const std::string name = object.name + "." + attribute;
  if (name == "math.pi" || name == "numpy.pi") return std::numbers::pi;
  if (name == "math.e" || name == "numpy.e") return std::numbers::e;
  return PythonObject{name};
}

PythonValue environment_variable(const PythonArguments& arguments) {
  const PythonValue found = environment(arguments);
  if (found.index() == 0)
    arguments.place.fail(concat(arguments.text(0).substr(0, 60),
                                " is not set in the environment; "
                                "set it, or write os.environ.get(name, default)"));
  return found;
}

PythonValue call_function(const std::string& name, const PythonArguments& arguments) {
  constexpr std::string_view kNumpy = "numpy.";
  auto found = functions().find(name);
  if (name.starts_with(kNumpy)) found = functions().find("math." + name.substr(kNumpy.size()));
  const std::string shown = name.substr(0, 60) + "()";
  if (name == "exec" || name == "open")
    arguments.place.refuse(
        "other files are not opened; give the config that this one builds on before it on the "
        "command line");
  if (found == functions().end())
    arguments.place.refuse("a call of " + shown +
                           " is not read; write its result, or leave it out");
  const Function& function = found->second;
  const std::size_t count = arguments.values.size();
  if (count < function.least || count > function.most)
    arguments.place.fail(concat(shown, " takes ", function.least,
                                function.least == function.most ? "" : " or more",
                                " values here, found ", count));
  if (!arguments.named.empty() && name != "dict" && name != "print")
    arguments.place.refuse(concat("'", arguments.named[0].first.substr(0, 40), "=' in a call of ",
                                  shown, " is not read; write its result"));
  return function.call(arguments);
}

}  // namespace gpt
