#include "gpt/dataprep/row_pattern.h"

#include <algorithm>
#include <sstream>

#include "gpt/base/error.h"
#include "gpt/base/strings.h"
#include "gpt/base/terminal.h"

namespace gpt {

namespace {

struct NamedTemplate {
  std::string_view name, text, answer_keys;
};
constexpr NamedTemplate kNamedTemplates[] = {
    {"alpaca",
     "### Instruction:\n{instruction}\n\n{#input}### Input:\n{input}\n\n{/input}"
     "### Response:\n{output}",
     "output"},
    {"prompt_completion", "{prompt}{completion}", "completion"}};

// At its ends.
std::string without_spaces(const std::string& name) {
  const std::size_t first = name.find_first_not_of(' ');
  if (first == std::string::npos) return {};
  return name.substr(first, name.find_last_not_of(' ') - first + 1);
}

// Answers that touch are one.
void add_answer(RowText& row, TextSpan span) {
  if (!row.answers.empty() && row.answers.back().end >= span.begin)
    row.answers.back().end = span.end;
  else
    row.answers.push_back(span);
}

}  // namespace

// Reads a template from left to right.
class TemplateParser {
 public:
  explicit TemplateParser(const std::string& text) : text_(text) { pattern_.is_template_ = true; }

  RowPattern parse() {
    for (; at_ < text_.size(); ++at_) {
      const char c = text_[at_], next = at_ + 1 < text_.size() ? text_[at_ + 1] : '\0';
      std::string& literal = pattern_.pieces_.back().literal;
      if ((c == '{' || c == '}') && next == c) {
        literal += c;
        ++at_;
      } else if (c == '\\' && (next == 'n' || next == 't' || next == '\\')) {
        literal += next == 'n' ? '\n' : next == 't' ? '\t' : '\\';
        ++at_;
      } else if (c == '{') {
        in_braces();
      } else if (c == '}') {
        throw InputError(concat("text_template: the '}' at column ", at_ + 1,
                                " closes nothing; write }} for a brace"));
      } else {
        literal += c;
      }
    }
    if (section_ != RowPattern::kNone)
      throw InputError(
          concat("text_template: expected {/", section_name(), "} behind {#", section_name(), "}"));
    if (pattern_.keys_.empty())
      throw InputError(
          "text_template: names no key; put one in braces, as in {question}, or name a shape of "
          "rows: alpaca, prompt_completion or chat");
    return std::move(pattern_);
  }

 private:
  const std::string& section() const { return pattern_.keys_[section_].name; }
  std::string section_name() const { return terminal_safe_line(section()); }
  void begin_piece() { pattern_.pieces_.push_back({.only_with = section_}); }

  void in_braces() {
    const std::size_t end = std::min(text_.find('}', at_), text_.size());
    const std::string name = text_.substr(at_ + 1, end - std::min(at_ + 1, end));
    const bool mark = name.starts_with('#') || name.starts_with('/');
    if (end == text_.size() || name.empty() || (mark && name.size() == 1))
      throw InputError(concat("text_template: expected a key and '}' behind the '{' at column ",
                              at_ + 1, ", as in {question}; write {{ for a brace"));
    if (name[0] == '#')
      open_section(name.substr(1));
    else if (name[0] == '/')
      close_section(name.substr(1));
    else
      add_key(name);
    at_ = end;
  }

  void add_key(const std::string& name) {
    pattern_.pieces_.back().key = pattern_.key_index(name, /*optional=*/false);
    begin_piece();
  }

  void open_section(const std::string& name) {
    if (section_ != RowPattern::kNone)
      throw InputError(concat("text_template: {#", terminal_safe_line(name), "} at column ",
                              at_ + 1, " is inside of {#", section_name(),
                              "}; end that one first"));
    section_ = pattern_.key_index(name, /*optional=*/true);
    begin_piece();
  }

  void close_section(const std::string& name) {
    if (section_ == RowPattern::kNone || section() != name)
      throw InputError(concat("text_template: {/", terminal_safe_line(name), "} at column ",
                              at_ + 1, " ends nothing; expected {#", terminal_safe_line(name),
                              "} before it"));
    section_ = RowPattern::kNone;
    begin_piece();
  }

  const std::string& text_;
  std::size_t at_ = 0;
  std::size_t section_ = RowPattern::kNone;  // the key of the one we are in
  RowPattern pattern_;
};

std::size_t RowPattern::key_index(const std::string& name, bool optional) {
  const auto found =
      std::find_if(keys_.begin(), keys_.end(), [&](const Key& key) { return key.name == name; });
  const auto index = static_cast<std::size_t>(found - keys_.begin());
  if (found == keys_.end()) keys_.push_back({.name = name});
  keys_[index].optional = keys_[index].optional || optional;
  return index;
}

RowPattern RowPattern::of_key(const std::string& key) {
  RowPattern pattern;
  pattern.pieces_.front().key = pattern.key_index(key, /*optional=*/false);
  return pattern;
}

RowPattern RowPattern::of_template(const std::string& text, const std::string& answer_keys) {
  for (const NamedTemplate& named : kNamedTemplates)
    if (text == named.name)
      return of_template(std::string(named.text),
                         answer_keys.empty() ? std::string(named.answer_keys) : answer_keys);
  RowPattern pattern = TemplateParser(text).parse();
  std::istringstream names(answer_keys);
  for (std::string name; std::getline(names, name, ',');) {
    const auto key = std::find_if(pattern.keys_.begin(), pattern.keys_.end(),
                                  [&](const Key& k) { return k.name == without_spaces(name); });
    if (key == pattern.keys_.end()) {
      std::vector<std::string> known;
      for (const Key& k : pattern.keys_) known.push_back(terminal_safe_line(k.name));
      throw InputError(concat("answer_keys: '", terminal_safe_line(name),
                              "' is no key of text_template; it has ", join(known, ", ")));
    }
    key->answer = true;
  }
  return pattern;
}

RowPattern RowPattern::of_messages(const std::string& message_template) {
  RowPattern message;
  try {
    message = of_template(message_template, "content");
  } catch (const InputError&) {
    throw InputError(
        concat("message_template: expected a text with {content} and {role}, as in "
               "'{role}: {content}\\n', got '",
               terminal_safe_line(message_template), "'"));
  }
  for (const Key& key : message.keys_)
    if (key.name != "content" && key.name != "role")
      throw InputError(concat("message_template: a message has no {", terminal_safe_line(key.name),
                              "}; take {role} and {content}"));
  RowPattern pattern;
  pattern.is_template_ = true;
  for (const char* name : {"messages", "conversations"}) pattern.key_index(name, /*optional=*/true);
  pattern.message_ = std::make_shared<const RowPattern>(std::move(message));
  return pattern;
}

std::vector<std::string> RowPattern::columns() const {
  std::vector<std::string> names;
  for (const Key& key : keys_) names.push_back((key.optional ? "?" : "") + key.name);
  return names;
}

bool RowPattern::has_answers() const {
  return message_ ||
         std::any_of(keys_.begin(), keys_.end(), [](const Key& key) { return key.answer; });
}

void RowPattern::add_text(const std::vector<std::string>& values, RowText& row,
                          bool with_answers) const {
  bool ends_in_answer = false;
  for (const Piece& piece : pieces_) {
    if (piece.only_with != kNone && values[piece.only_with].empty()) continue;
    row.text += piece.literal;
    if (piece.key == kNone) continue;
    const std::size_t begin = row.text.size();
    row.text += values[piece.key];
    ends_in_answer = with_answers && keys_[piece.key].answer;
    if (ends_in_answer) add_answer(row, {begin, row.text.size()});
  }
  if (ends_in_answer) row.answers.back().end = row.text.size();
}

}  // namespace gpt
