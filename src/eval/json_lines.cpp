#include "gpt/eval/json_lines.h"

#include <algorithm>
#include <string_view>

#include <nlohmann/json.hpp>

#include "gpt/base/error.h"
#include "gpt/base/files.h"
#include "gpt/base/json.h"
#include "gpt/base/strings.h"

namespace gpt {

namespace {

using nlohmann::json;

const json& member(const json& object, const char* key, const std::string& where,
                   const char* wanted) {
  const auto found = object.find(key);
  if (found == object.end())
    throw InputError(concat(where, ": ", key, ": expected ", wanted, ", found nothing"));
  return *found;
}

[[noreturn]] void refuse(const json& value, const char* key, const std::string& where,
                         const char* wanted) {
  throw InputError(concat(where, ": ", key, ": expected ", wanted, ", found a value of type ",
                          value.type_name()));
}

}  // namespace

void for_each_object(
    const std::filesystem::path& path,
    const std::function<void(const json& object, const std::string& where)>& take) {
  constexpr std::uint64_t kLargest = 256 << 20;  // all of HellaSwag has 70 MB
  const std::string text = read_small_file(path, kLargest, "JSON lines");
  constexpr const char* kOneALine = "expected one object a line";
  std::int64_t line = 0, taken = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    std::string_view content(text.data() + at, end - at);
    at = end + 1;
    ++line;
    if (content.find_first_not_of(" \t\r") == content.npos) continue;
    const std::string where = concat(path.string(), ":", line);
    const json object = parse_json_line(content, where, kOneALine);
    if (!object.is_object()) throw InputError(concat(where, ": no JSON object; ", kOneALine));
    take(object, where);
    ++taken;
  }
  if (taken == 0) throw InputError(path.string() + ": is empty; expected a JSON object a line");
}

std::string text_member(const json& object, const char* key, const std::string& where) {
  const json& value = member(object, key, where, "a text");
  if (!value.is_string()) refuse(value, key, where, "a text");
  return value.get<std::string>();
}

std::vector<std::string> text_list_member(const json& object, const char* key,
                                          const std::string& where) {
  constexpr const char* kWanted = "a list of texts";
  const json& value = member(object, key, where, kWanted);
  if (!value.is_array() || value.empty() ||
      !std::all_of(value.begin(), value.end(), [](const json& e) { return e.is_string(); }))
    refuse(value, key, where, kWanted);
  return value.get<std::vector<std::string>>();
}

}  // namespace gpt
