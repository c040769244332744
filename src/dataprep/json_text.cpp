#include "gpt/dataprep/json_text.h"

#include <utility>

#include "gpt/base/error.h"
#include "gpt/base/strings.h"
#include "gpt/base/terminal.h"

#include "chat_row.h"
#include "json_scanner.h"

namespace gpt {

namespace {

// A key's value as it was found.
struct Found {
  std::string text = {};
  bool there = false;
  std::int64_t lone = 0;  // surrogates
};

// What is still to be followed of a key: "a.b" below the object, "b" below that at "a".
struct Want {
  std::size_t key = 0;
  std::string_view rest;
};

class RowScanner : public JsonScanner {
 public:
  RowScanner(std::string_view line, const RowPattern& pattern, const std::string& origin)
      : JsonScanner(line, origin), pattern_(pattern), found_(pattern.keys().size()) {}

  RowText text() {
    std::vector<Want> wants;
    for (std::size_t i = 0; i < found_.size(); ++i) wants.push_back({i, pattern_.keys()[i].name});
    enter_object(wanted(0));
    --at_;
    object(wants, 1);
    leave_object();
    RowText row;
    std::vector<std::string> values;
    for (std::size_t i = 0; i < found_.size(); ++i) {
      if (!found_[i].there && !pattern_.keys()[i].optional) fail_without(i);
      row.lone_surrogates += found_[i].lone;
      values.push_back(std::move(found_[i].text));
    }
    pattern_.add_text(values, row);
    return row;
  }

 private:
  std::string wanted(std::size_t key) const {
    return concat("a JSON object with a text at key ", quoted(key));
  }
  std::string quoted(std::size_t key) const {
    return concat('"', terminal_safe_line(pattern_.keys()[key].name), '"');
  }

  // One that has no such key; its keys may tell which is meant.
  [[noreturn]] void fail_without(std::size_t key) {
    throw InputError(concat(origin_, ": expected ", wanted(key), ", found ", found_keys(),
                            "; name another with --text_key, or several in --text_template"));
  }

  void object(const std::vector<Want>& wants, int depth) {
    ++at_;
    std::string name;
    members('}', [&] {
      member_name(&name);
      wanted_value(name, wants, depth);
    });
  }

  void wanted_value(std::string_view name, const std::vector<Want>& wants, int depth) {
    std::vector<Want> below;
    std::vector<std::size_t> here;
    for (const Want& want : wants) {
      if (want.rest == name)
        here.push_back(want.key);
      else if (want.rest.size() > name.size() && want.rest[name.size()] == '.' &&
               want.rest.starts_with(name))
        below.push_back({want.key, want.rest.substr(name.size() + 1)});
    }
    if (!here.empty()) return take(here);
    const bool nested = !below.empty() && depth < kMaxDepth;
    if (nested && peek() == '{') return object(below, depth + 1);
    if (!nested || peek() != '[') return value(depth);
    ++at_;
    std::size_t element = 0;
    members(']', [&] { wanted_value(std::to_string(element++), below, depth + 1); });
  }

  void take(const std::vector<std::size_t>& keys) {
    Found found{.there = true};
    const char first = peek();
    const bool plain = first == '-' || is_digit(first) || first == 't' || first == 'f';
    if (first == '"') {
      found.lone = string(&found.text);
    } else if (plain && pattern_.is_template()) {
      const std::size_t begin = at_;
      value(1);
      found.text = line_.substr(begin, at_ - begin);
    } else if (first == 'n' && pattern_.keys()[keys.front()].optional) {
      value(1);  // null
    } else {
      fail(concat("a text at key ", quoted(keys.front())));
    }
    for (const std::size_t key : keys) found_[key] = found;
  }

  const RowPattern& pattern_;
  std::vector<Found> found_;  // by key
};

const std::string kNoOrigin;

}  // namespace

RowText read_json_text(std::string_view line, const RowPattern& pattern,
                       const std::string& origin) {
  if (pattern.message()) return read_chat_row(line, *pattern.message(), origin);
  return RowScanner(line, pattern, origin).text();
}

JsonShape json_shape(std::string_view head, bool whole, bool named) {
  constexpr std::string_view kSpace = " \t\r\n";
  const std::size_t first = head.find_first_not_of(kSpace);
  if (first == head.npos || (head[first] != '{' && head[first] != '[')) return JsonShape::kNone;
  const std::string_view text = head.substr(first);
  const std::size_t inside = text.find_first_not_of(kSpace, 1);
  const char second = inside == text.npos ? '\0' : text[inside];
  const std::size_t end = text.find('\n');
  const std::string_view line = text.substr(0, end);
  const bool line_ends = end != text.npos || whole;
  const bool one_line = JsonScanner(line, kNoOrigin).is_value(!line_ends);
  if (text[0] == '[') {
    if (!named && second != '{') return JsonShape::kNone;
    // Lists in lines are no rows either, but each a row that says so.
    if (named && one_line && second != '{' && line_ends && !whole) return JsonShape::kLines;
    if (named) return JsonShape::kArray;
    const bool is_row =
        JsonScanner(text.substr(inside), kNoOrigin).is_value(!whole, /*first=*/true);
    return is_row ? JsonShape::kArray : JsonShape::kNone;
  }
  if (one_line) return JsonShape::kLines;
  if (!named && second != '"') return JsonShape::kNone;
  // A row over several lines, and perhaps others after it.
  const bool begins_one = JsonScanner(line, kNoOrigin).is_value(/*cut=*/true);
  if (begins_one && end != text.npos) return JsonShape::kObjects;
  return named ? JsonShape::kLines : JsonShape::kNone;
}

}  // namespace gpt
