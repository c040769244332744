// The text in a row of JSON: {"text": "...", ...}, as corpora are published (.jsonl).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace gpt {

// Which of a row's values make its text: the one at a key, or several in a template.
class RowPattern {
 public:
  // The text at "text"; at "a.b", that at "b" of the object at "a". A number stands for an element
  // of a list.
  static RowPattern of_key(const std::string& key);
  // "Q: {question}\nA: {answer}": keys as above in braces, {{ and }} for braces, \n, \t and \\.
  // InputError, "text_template: ...".
  static RowPattern of_template(const std::string& text);

  bool is_template() const { return is_template_; }
  const std::vector<std::string>& keys() const { return keys_; }
  // Text before each key's value, and after the last.
  const std::vector<std::string>& literals() const { return literals_; }

 private:
  bool is_template_ = false;
  std::vector<std::string> keys_, literals_ = {""};
};

// Puts the text of the object that `line` is into `text` and returns how many escapes in it are
// lone surrogates; they become U+FFFD, as tiktoken has it. All of the line is held to RFC 8259;
// bytes in strings that are no UTF-8 are left for the tokenizer to judge. Where a key comes twice
// the last one counts, as in Python. A template takes numbers and true or false as they stand.
// InputError "ORIGIN: expected ...".
std::int64_t read_json_text(std::string_view line, const RowPattern& pattern,
                            const std::string& origin, std::string& text);

// What a text that begins with `head` holds: JSON objects, one a line; rows of another shape
// (gpt/dataprep/json_rows.h); or something else. `whole`: the head is all of it. `named`: its name
// says that it is JSON, so that anything in brackets or braces is.
enum class JsonShape { kNone, kLines, kArray, kObjects };
JsonShape json_shape(std::string_view head, bool whole, bool named);

}  // namespace gpt
