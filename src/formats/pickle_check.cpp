#include "pickle_check.h"

#include <algorithm>
#include <set>
#include <string_view>
#include <unordered_map>

#include "gpt/base/strings.h"
#include "gpt/base/terminal.h"

namespace gpt {

namespace {

std::string duplicate_key(const PickleDict& dict) {
  std::set<std::string_view> texts;
  std::set<std::int64_t> integers;
  for (const auto& [key, value] : dict.items) {
    const auto* text = key->get_if<std::string>();
    const auto* integer = key->get_if<std::int64_t>();
    if ((text && !texts.insert(*text).second) || (integer && !integers.insert(*integer).second))
      return "a dict has the key " + (text ? quoted_name(*text) : std::to_string(*integer)) +
             " twice";
  }
  return "";
}

class TreeCheck {
 public:
  explicit TreeCheck(std::uint64_t depth) : limit_(depth) {}

  // Containers below and including `value`; the recursion is never deeper than the limit.
  std::uint64_t height(const PickleValue& value, std::uint64_t above) {
    if (!problem_.empty()) return 0;
    const auto known = height_.find(&value);
    if (known != height_.end()) {
      if (above + known->second > limit_) too_deep();
      return known->second;
    }
    PickleItems children;
    if (!list_children(value, children)) return 0;
    if (above == limit_) too_deep();
    if (!problem_.empty()) return 0;
    std::uint64_t highest = 0;
    for (const PickleValue* child : children)
      highest = std::max(highest, height(*child, above + 1));
    return height_[&value] = highest + 1;
  }

  const std::string& problem() const { return problem_; }

 private:
  void too_deep() {
    problem_ = concat("a value contains itself, or nests deeper than ", limit_, " levels");
  }

  // False for what holds nothing.
  bool list_children(const PickleValue& value, PickleItems& children) {
    if (const auto* list = value.get_if<PickleList>()) {
      children = list->items;
    } else if (const auto* tuple = value.get_if<PickleTuple>()) {
      children = tuple->items;
    } else if (const auto* set = value.get_if<PickleSet>()) {
      children = set->items;
    } else if (const auto* reference = value.get_if<PicklePersistent>()) {
      children = {reference->id};
    } else if (const auto* dict = value.get_if<PickleDict>()) {
      problem_ = duplicate_key(*dict);
      for (const auto& [key, item] : dict->items) children.insert(children.end(), {key, item});
    } else {
      return false;
    }
    return true;
  }

  std::uint64_t limit_;
  std::unordered_map<const PickleValue*, std::uint64_t> height_;
  std::string problem_;
};

}  // namespace

std::string tree_problem(const PickleValue& root, std::uint64_t depth) {
  TreeCheck check(depth);
  check.height(root, 0);
  return check.problem();
}

}  // namespace gpt
