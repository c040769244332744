// Which of a JSON row's values make its text, and which of that the model is to learn to write.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace gpt {

// Bytes [begin, end) of a row's text.
struct TextSpan {
  std::size_t begin = 0, end = 0;
  bool operator==(const TextSpan&) const = default;
};

struct RowText {
  std::string text = {};
  std::vector<TextSpan> answers = {};  // in order; no two touch
  std::int64_t lone_surrogates = 0;    // each became U+FFFD
};

class RowPattern {
 public:
  static constexpr const char* kChat = "chat";  // as a template: rows hold messages

  // The text at "text"; at "a.b", that at "b" of the object at "a". A number stands for an element
  // of a list.
  static RowPattern of_key(const std::string& key);
  // "Q: {question}\nA: {answer}": keys as above in braces, {{ and }} for braces, \n, \t and \\.
  // What stands between {#key} and {/key} is left out where that key is missing, null or empty.
  // `answer_keys`, with commas between, name the keys whose text is an answer; so is what follows
  // the last of them to the row's end. "alpaca" and "prompt_completion" stand for templates with
  // their answers. InputError, "text_template: ..." or "answer_keys: ...".
  static RowPattern of_template(const std::string& text, const std::string& answer_keys = {});
  // Rows with a list of messages, {"role", "content"} at "messages" or {"from", "value"} at
  // "conversations". Each becomes `message_template`, a template of {role} and {content}; of the
  // assistant's, what begins with the content is an answer. InputError, "message_template: ...".
  static RowPattern of_messages(const std::string& message_template);

  struct Key {
    std::string name;
    bool optional = false;  // the row may do without it
    bool answer = false;
  };
  const std::vector<Key>& keys() const { return keys_; }
  // The keys' names, as parquet's columns are asked for; one with a '?' before it may be missing.
  std::vector<std::string> columns() const;
  bool is_template() const { return is_template_; }
  bool has_answers() const;
  // Of rows with messages: the pattern of one.
  const RowPattern* message() const { return message_.get(); }

  // Adds the text of a row, or of a message, with these values of keys() to `row`; without
  // `with_answers` none of it is one.
  void add_text(const std::vector<std::string>& values, RowText& row,
                bool with_answers = true) const;

 private:
  friend class TemplateParser;
  static constexpr std::size_t kNone = static_cast<std::size_t>(-1);
  struct Piece {
    std::string literal = {};
    std::size_t key = kNone;        // whose value follows
    std::size_t only_with = kNone;  // left out where that key's value is empty
  };
  std::size_t key_index(const std::string& name, bool optional);

  bool is_template_ = false;
  std::vector<Key> keys_;
  std::vector<Piece> pieces_ = {{}};
  std::shared_ptr<const RowPattern> message_;
};

}  // namespace gpt
