#include <array>
#include <charconv>
#include <limits>
#include <optional>
#include <string_view>
#include <utility>

#include <nlohmann/json.hpp>

#include "gpt/base/error.h"
#include "gpt/base/json.h"
#include "gpt/base/strings.h"
#include "gpt/text/bpe_vocabulary.h"

#include "vocabulary_json.h"

namespace gpt {

namespace {

using nlohmann::json;
using Pattern = SplitStep::Pattern;
using Behavior = SplitStep::Behavior;

constexpr std::size_t kUnlimited = std::numeric_limits<std::size_t>::max();

// "+", "{3}" or "{1,3}" after a class of characters.
bool read_repetition(std::string_view text, SplitStep& step) {
  if (text.empty()) return true;
  if (text == "+") {
    step.most = kUnlimited;
    return true;
  }
  if (!text.starts_with('{') || !text.ends_with('}')) return false;
  text = text.substr(1, text.size() - 2);
  const char* const end = text.data() + text.size();
  const auto [after, error] = std::from_chars(text.data(), end, step.least);
  if (error != std::errc()) return false;
  step.most = step.least;
  if (after != end) {
    if (*after != ',') return false;
    const auto [last, wrong] = std::from_chars(after + 1, end, step.most);
    if (wrong != std::errc() || last != end) return false;
  }
  return step.least >= 1 && step.most >= step.least && step.most <= 1000;
}

// The regular expressions that are known: GPT-2's, and runs of a class of characters.
bool read_regex(std::string_view regex, SplitStep& step) {
  constexpr std::string_view kGpt2 =
      R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
  constexpr std::string_view kGpt2Short =
      R"('(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
  if (regex == kGpt2 || regex == kGpt2Short) {
    step.pattern = Pattern::kGpt2;
    return true;
  }
  constexpr std::array<std::pair<std::string_view, Pattern>, 6> kClasses = {
      {{R"(\p{N})", Pattern::kNumber},
       {"[0-9]", Pattern::kAsciiDigit},
       {R"(\p{L})", Pattern::kLetter},
       {R"(\s)", Pattern::kSpace},
       {R"(\n)", Pattern::kNewline},
       {"\n", Pattern::kNewline}}};
  for (const auto& [name, pattern] : kClasses)
    if (regex.starts_with(name)) {
      step.pattern = pattern;
      return read_repetition(regex.substr(name.size()), step);
    }
  return false;
}

Behavior read_behavior(const json& split, const std::string& place) {
  constexpr std::array<const char*, 5> kNames = {"Removed", "Isolated", "MergedWithPrevious",
                                                 "MergedWithNext", "Contiguous"};
  const json& found = json_member(split, "behavior", place);
  for (std::size_t i = 0; i < kNames.size(); ++i)
    if (found == kNames[i]) return static_cast<Behavior>(i);
  throw InputError(
      concat(place, ".behavior: ", shown_json(found), " is not known here", kOtherTokenizer));
}

SplitStep read_split(const json& split, const std::string& place) {
  SplitStep step;
  step.behavior = read_behavior(split, place);
  expect_json(split, "invert", {false, true, nullptr}, place + ".");
  step.invert = split.value("invert", json(false)) == true;
  const json& pattern = json_member(split, "pattern", place);
  const json text = pattern.is_object() ? pattern.value("String", json()) : json();
  const json regex = pattern.is_object() ? pattern.value("Regex", json()) : json();
  if (text.is_string() && !text.get_ref<const std::string&>().empty()) {
    step.pattern = Pattern::kText;
    step.text = text.get<std::string>();
    return step;
  }
  if (regex.is_string() && read_regex(regex.get_ref<const std::string&>(), step)) return step;
  throw InputError(
      concat(place, ".pattern: ", shown_json(pattern), " is not known here", kOtherTokenizer));
}

SplitStep read_digits(const json& digits, const std::string& place) {
  expect_json(digits, "individual_digits", {true, false, nullptr}, place + ".");
  const bool single = digits.value("individual_digits", json(false)) == true;
  return {.pattern = Pattern::kNumber,
          .behavior = single ? Behavior::kIsolated : Behavior::kContiguous};
}

void read_byte_level(const json& byte_level, const std::string& place, PreTokenizer& all) {
  expect_json(byte_level, "add_prefix_space", {false, true, nullptr}, place + ".");
  expect_json(byte_level, "use_regex", {true, false, nullptr}, place + ".");
  all.add_prefix_space = byte_level.value("add_prefix_space", json(false)) == true;
  all.use_pattern = byte_level.value("use_regex", json(true)) != false;
}

}  // namespace

PreTokenizer read_pre_tokenizer(const json& pre_tokenizer, const std::string& origin) {
  const std::string place = origin + ": pre_tokenizer";
  PreTokenizer all;
  bool bytes = false;
  const auto read = [&](const json& step, const std::string& where) {
    const json type = step.is_object() ? step.value("type", json()) : json();
    if (bytes)
      throw InputError(concat(where, ": ", shown_json(type), " after ByteLevel is not known here",
                              kOtherTokenizer));
    if (type == "ByteLevel") {
      read_byte_level(step, where, all);
      bytes = true;
    } else if (type == "Digits") {
      all.splits.push_back(read_digits(step, where));
    } else if (type == "Split") {
      all.splits.push_back(read_split(step, where));
    } else {
      throw InputError(concat(where, ".type: ", shown_json(type), " is not known here, only ",
                              "ByteLevel, Digits, Split and Sequences of these", kOtherTokenizer));
    }
  };
  const bool sequence =
      pre_tokenizer.is_object() && pre_tokenizer.value("type", json()) == "Sequence";
  if (!sequence) {
    read(pre_tokenizer, place);
  } else {
    const json& steps = json_member(pre_tokenizer, "pretokenizers", place);
    constexpr std::size_t kMostSteps = 32;
    if (!steps.is_array() || steps.size() > kMostSteps)
      throw InputError(concat(place, ".pretokenizers: expected a list of at most ", kMostSteps,
                              ", found ", shown_json(steps)));
    std::size_t index = 0;
    for (const json& step : steps) read(step, concat(place, ".pretokenizers[", index++, "]"));
  }
  if (!bytes)
    throw InputError(
        concat(place, ": has no ByteLevel, so its tokens are not bytes", kOtherTokenizer));
  return all;
}

}  // namespace gpt
