// The part of the stack machine that deals in names and calls.
#include <utility>

#include "gpt/base/strings.h"
#include "gpt/base/terminal.h"

#include "pickle_machine.h"

namespace gpt {

bool Unpickler::run_global(std::uint8_t opcode) {
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
      reduce();
      return true;
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
  static const std::set<std::string> kPlain = {"collections.OrderedDict", "builtins.set",
                                               "builtins.frozenset",      "builtins.bytes",
                                               "builtins.bytearray",      "_codecs.encode"};
  constexpr std::string_view kOld = "__builtin__.";
  if (name.starts_with(kOld)) name = "builtins." + name.substr(kOld.size());
  if (!kPlain.contains(name) && !globals_.contains(name))
    cursor_.fail("global " + quoted_name(name) +
                 " is not allowed; a file that needs it could run code, and nothing of it is read");
  push(PickleGlobal{std::move(name)});
}

void Unpickler::reduce() {
  const PickleValue* arguments = pop();
  const PickleValue* function = pop();
  const auto* tuple = arguments->get_if<PickleTuple>();
  const auto* global = function->get_if<PickleGlobal>();
  if (!global || !tuple)
    cursor_.fail(concat("a call needs a function's name and a tuple, found ", described(*function),
                        " and ", described(*arguments)));
  if (globals_.contains(global->name))
    push(PickleCall{global->name, tuple->items});
  else if (!reduce_plain(global->name, tuple->items))
    cursor_.fail("a call of " + global->name + " with arguments that no pickler writes");
}

// The calls that stand for plain values in protocols too old for their opcodes.
bool Unpickler::reduce_plain(const std::string& name, const PickleItems& arguments) {
  const PickleValue* first = arguments.empty() ? nullptr : arguments[0];
  if (name == "collections.OrderedDict") {
    if (first) return false;
    push(PickleDict{});
  } else if (name == "_codecs.encode") {
    const auto* text = first ? first->get_if<std::string>() : nullptr;
    const auto* codec = arguments.size() == 2 ? arguments[1]->get_if<std::string>() : nullptr;
    std::string bytes;
    if (!text || !codec || *codec != "latin1" || !utf8_to_latin1(*text, &bytes)) return false;
    push(PickleBytes{std::move(bytes)});
  } else if (name == "builtins.set" || name == "builtins.frozenset") {
    const auto* list = first ? first->get_if<PickleList>() : nullptr;
    if (arguments.size() > 1 || (first && !list)) return false;
    push(PickleSet{list ? list->items : PickleItems{}});
  } else {  // bytes and bytearray
    const auto* bytes = first ? first->get_if<PickleBytes>() : nullptr;
    if (arguments.size() > 1 || (first && !bytes)) return false;
    push(bytes ? *bytes : PickleBytes{});
  }
  return true;
}

void Unpickler::build() {
  pop();
  if (!top()->get_if<PickleDict>() && !top()->get_if<PickleCall>())
    cursor_.fail("BUILD on " + described(*top()) + ", expected an object");
}

}  // namespace gpt
