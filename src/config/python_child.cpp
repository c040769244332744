// A config file run by a Python of the user's choice.
#include <fcntl.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "gpt/base/child_process.h"
#include "gpt/base/error.h"
#include "gpt/base/json.h"
#include "gpt/base/programs.h"
#include "gpt/base/strings.h"
#include "gpt/config/python_reader.h"

namespace gpt {

namespace {

using nlohmann::json;

// Prints a list of [name, line of its last assignment, whether the file reads it, value]; what is
// no plain value is the list [its type]. The file's own output goes to stderr.
constexpr const char* kScript = R"(
import ast, json, math, os, sys, time, types
path, keys = sys.argv[1], json.loads(sys.argv[2])
with open(path, encoding='utf-8-sig') as file:
    tree = ast.parse(file.read(), path)
names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
read = {node.id for node in names if isinstance(node.ctx, ast.Load)}
lines = {}
for node in names:
    if not isinstance(node.ctx, ast.Load):
        lines[node.id] = max(node.lineno, lines.get(node.id, 0))
scope = {'os': os, 'time': time, 'math': math, **keys, '__name__': '__main__', '__file__': path}
for name, module in (('torch', 'torch'), ('np', 'numpy')):
    if name in read:
        try:
            scope[name] = __import__(module)
        except ImportError:
            pass
before, out = dict(scope), sys.stdout
sys.stdout = sys.stderr
exec(compile(tree, path, 'exec'), scope)
def plain(value):
    if hasattr(value, 'item') and getattr(value, 'ndim', 1) == 0:
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, int) and not -2**63 <= value < 2**63:
        return float(value)
    known = value is None or isinstance(value, (bool, int, float, str))
    return value if known else [type(value).__name__]
result = [[name, lines.get(name, 0), name in read or name not in lines, plain(value)]
          for name, value in scope.items()
          if not name.startswith('_') and not isinstance(value, types.ModuleType)
          and (name in lines or name not in before or before[name] is not value)]
json.dump(result, out)
)";

json json_of(const Value& value) {
  return std::visit(
      [](const auto& v) -> json {
        if constexpr (std::is_same_v<std::decay_t<decltype(v)>, std::monostate>)
          return nullptr;
        else
          return v;
      },
      value);
}

Value value_of(const json& value, const std::string& key, const std::string& origin) {
  if (value.is_boolean()) return value.get<bool>();
  if (value.is_number_integer()) return value.get<std::int64_t>();
  if (value.is_number()) return value.get<double>();
  if (value.is_string()) return value.get<std::string>();
  if (value.is_null()) return std::monostate{};
  throw InputError(concat(origin, ": ", key, ": expected True, False, a number or a text, got a ",
                          value[0].get<std::string>()));
}

std::string output_of(ChildProcess& child, const std::string& file) {
  constexpr std::size_t kMost = 16 << 20;
  std::string text;
  char block[4096];
  for (ssize_t count; (count = read(child.output(), block, sizeof block)) != 0;) {
    if (count < 0 && errno != EINTR) throw IoError(file, "read what Python made of", errno);
    if (count > 0) text.append(block, static_cast<std::size_t>(count));
    if (text.size() > kMost) throw InputError(file + ": its names hold more than 16 MiB");
  }
  return text;
}

}  // namespace

PythonConfig run_python_config(const std::filesystem::path& file, const std::string& python,
                               const std::vector<std::string>& names, const Lookup& defaults) {
  const std::string name = file.string();
  const auto program = find_program(python);
  if (!program)
    throw InputError("command line: config_python: there is no program " + python +
                     "; give the path of a Python 3, such as /usr/bin/python3");
  json keys = json::object();
  for (const std::string& key : names) keys[key] = json_of(*defaults(key));
  const int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
  ChildProcess child({program->string(), "-c", kScript, name, keys.dump()}, nothing);
  close(nothing);
  const std::string text = output_of(child, name);
  if (const std::string how = child.wait(); !how.empty())
    throw InputError(concat(name, ": ", program->string(), " could not run it (", how,
                            "): ", child.last_words(), "; mend the file, or name another Python"));
  PythonConfig config;
  for (const json& entry : parse_json(text, name, "its globals are no JSON")) {
    const auto key = entry[0].get<std::string>();
    const std::string origin = concat(name, ":", entry[1].get<std::int64_t>());
    if (defaults(key))
      config.settings.push_back({key, value_of(entry[3], key, origin), origin});
    else
      config.helpers.push_back({key, origin, entry[2].get<bool>(), !entry[3].is_array()});
  }
  return config;
}

}  // namespace gpt
