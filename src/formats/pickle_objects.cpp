// The part of the stack machine that deals in names, calls and objects.
#include <set>
#include <utility>

#include "gpt/base/strings.h"
#include "gpt/base/terminal.h"

#include "pickle_machine.h"
#include "pickle_numpy.h"

namespace gpt {

namespace {

// The name of a class or function; "" for a value that is neither.
std::string name_of(const PickleValue& function) {
  if (const auto* global = function.get_if<PickleGlobal>()) return std::string(global->name);
  // What a call has returned, called.
  if (const auto* object = function.get_if<PickleObject>())
    return std::string(object->name) + (object->name.ends_with("()") ? "" : "()");
  // torch.save's legacy format has a class of torch.nn outside of the pickle: ('module', the class,
  // the file of its source, its source).
  const auto* reference = function.get_if<PicklePersistent>();
  const auto* id = reference ? reference->id->get_if<PickleTuple>() : nullptr;
  if (!id || id->items.size() < 2) return "";
  const auto* global = id->items[1]->get_if<PickleGlobal>();
  return global ? std::string(global->name) : "";
}

// Functions that make an object of the class that is their first argument.
bool makes_first_argument(const std::string& name) {
  return name == "copyreg._reconstructor" || name == "copyreg.__newobj__" ||
         name == "copyreg.__newobj_ex__";
}

}  // namespace

bool Unpickler::run_object(std::uint8_t opcode) {
  switch (opcode) {
    case 'c': {
      const std::string module(cursor_.line());
      push_global(module + "." + std::string(cursor_.line()));
      return true;
    }
    case 0x93: {
      const auto* name = pop()->get_if<std::string>();
      const auto* module = pop()->get_if<std::string>();
      if (!name || !module) cursor_.fail("STACK_GLOBAL without two texts");
      push_global(*module + "." + *name);
      return true;
    }
    case 'R':
    case 0x81: {
      const PickleValue* arguments = pop();
      push_result(*pop(), *arguments);
      return true;
    }
    case 0x92: {  // with arguments by name
      const PickleValue* named = pop();
      const PickleValue* arguments = pop();
      push_result(*pop(), *arguments);
      if (const auto* dict = named->get_if<PickleDict>())
        if (auto* object = std::get_if<PickleObject>(&top()->data)) {
          spend_items(dict->items.size());
          object->fields = *dict;
        }
      return true;
    }
    case 'i': {
      const std::string module(cursor_.line());
      const std::string name(cursor_.line());
      push_object(module + "." + name, pop_to_mark());
      return true;
    }
    case 'o': {
      PickleItems items = pop_to_mark();
      const std::string name = items.empty() ? "" : name_of(*items.front());
      if (name.empty()) cursor_.fail("OBJ without a class");
      items.erase(items.begin());
      push_object(name, items);
      return true;
    }
    case 'b':
      build();
      return true;
    case 'P':
      push(std::string(cursor_.line()));
      [[fallthrough]];
    case 'Q':
      push(PicklePersistent{pop()});
      return true;
    default:
      return false;
  }
}

// Python 3 writes protocols 0 to 2 with Python 2's names.
void Unpickler::push_global(std::string name) {
  constexpr std::string_view kOld = "__builtin__.", kOldCopy = "copy_reg.";
  if (name.starts_with(kOld)) name = "builtins." + name.substr(kOld.size());
  if (name.starts_with(kOldCopy)) name = "copyreg." + name.substr(kOldCopy.size());
  push(PickleGlobal{*tree_.names_.insert(std::move(name)).first});
}

void Unpickler::push_result(const PickleValue& function, const PickleValue& arguments) {
  const std::string name = name_of(function);
  const auto* tuple = arguments.get_if<PickleTuple>();
  if (name.empty() || !tuple)
    cursor_.fail(concat("a call needs a function's name and a tuple, found ", described(function),
                        " and ", described(arguments)));
  push_object(name, tuple->items);
}

void Unpickler::push_object(const std::string& name, const PickleItems& arguments) {
  if (makes_first_argument(name) && !arguments.empty())
    if (const std::string of = name_of(*arguments.front()); !of.empty() && of != name) {
      push_object(of, {arguments.begin() + 1, arguments.end()});
      // The third argument is what the object is as a dict, if its class is one.
      auto* object = std::get_if<PickleObject>(&top()->data);
      const auto* dict = arguments.back()->get_if<PickleDict>();
      if (object && dict) spend_items(dict->items.size()), object->fields = *dict;
      return;
    }
  if (push_plain(name, arguments)) return;
  spend_items(arguments.size());
  if (is_numpy_scalar(name)) {
    PickleValue plain;
    const bool known = numpy_scalar(arguments, &plain.data);
    if (const auto* text = plain.get_if<std::string>()) spend_bytes(text->size());
    if (known) return static_cast<void>(push(std::move(plain.data)));
  }
  push(PickleObject{*tree_.names_.insert(name).first, arguments, {}});
}

// The calls that stand for plain values; false for all others.
bool Unpickler::push_plain(const std::string& name, const PickleItems& arguments) {
  static const std::set<std::string> kPlain = {"collections.OrderedDict",
                                               "collections.defaultdict",
                                               "collections.Counter",
                                               "builtins.set",
                                               "builtins.frozenset",
                                               "builtins.bytes",
                                               "builtins.bytearray",
                                               "_codecs.encode",
                                               "torch.Size"};
  if (!kPlain.contains(name)) return false;
  const PickleValue* first = arguments.empty() ? nullptr : arguments[0];
  const auto* list = first ? first->get_if<PickleList>() : nullptr;
  const auto* bytes = first ? first->get_if<PickleBytes>() : nullptr;
  const auto* tuple = first ? first->get_if<PickleTuple>() : nullptr;
  const auto* dict = first ? first->get_if<PickleDict>() : nullptr;
  spend_items(list    ? list->items.size()
              : tuple ? tuple->items.size()
              : dict  ? dict->items.size()
                      : 0);
  if (bytes) spend_bytes(bytes->bytes.size());
  const std::string kind = name.substr(name.find('.') + 1);
  if (kind == "defaultdict") return push(PickleDict{});  // the argument makes missing values
  if (kind == "encode") return push_encoded(arguments);
  if (arguments.size() <= 1) {
    if (kind == "OrderedDict" && !first) return push(PickleDict{});
    if (kind == "Counter" && (!first || dict)) return push(dict ? *dict : PickleDict{});
    if (kind == "Size" && (!first || tuple)) return push(tuple ? *tuple : PickleTuple{});
    if (kind.ends_with("set") && (!first || list))
      return push(PickleSet{list ? list->items : PickleItems{}});
    if (kind.starts_with("byte") && (!first || bytes)) return push(bytes ? *bytes : PickleBytes{});
  }
  cursor_.fail("a call of " + name + " with arguments that no pickler writes");
}

// Bytes in protocols that are too old for their opcodes.
bool Unpickler::push_encoded(const PickleItems& arguments) {
  const auto* text = arguments.empty() ? nullptr : arguments[0]->get_if<std::string>();
  const auto* codec = arguments.size() == 2 ? arguments[1]->get_if<std::string>() : nullptr;
  std::string bytes;
  if (text) spend_bytes(text->size());
  if (!text || !codec || *codec != "latin1" || !utf8_to_latin1(*text, &bytes))
    cursor_.fail("a call of _codecs.encode with arguments that no pickler writes");
  return push(PickleBytes{std::move(bytes)});
}

// Attributes come as a dict, or as that and a second one for those in __slots__.
void Unpickler::build() {
  const PickleValue* state = pop();
  if (top()->get_if<PickleDict>()) return;
  auto* object = std::get_if<PickleObject>(&top()->data);
  if (!object) cursor_.fail("BUILD on " + described(*top()) + ", expected an object");
  PickleItems parts{state};
  if (const auto* both = state->get_if<PickleTuple>(); both && both->items.size() == 2)
    parts = both->items;
  bool fields = true;
  for (const PickleValue* part : parts)
    fields = fields && (part->get_if<PickleDict>() || part->get_if<PickleNone>());
  if (!fields) {
    object->state = state;
    return;
  }
  for (const PickleValue* part : parts)
    if (const auto* dict = part->get_if<PickleDict>()) {
      spend_items(dict->items.size());
      object->fields.items.insert(object->fields.items.end(), dict->items.begin(),
                                  dict->items.end());
    }
}

void Unpickler::spend_bytes(std::size_t count) {
  spent_bytes_ += count;
  if (spent_bytes_ / 4 > cursor_.size())
    cursor_.fail("calls make far more bytes than the file has; it is damaged or made to do harm");
}

void Unpickler::spend_items(std::size_t count) {
  spent_items_ += count;
  if (spent_items_ > limits_.values)
    cursor_.fail(concat("calls copy more than ", limits_.values, " values"));
}

}  // namespace gpt
