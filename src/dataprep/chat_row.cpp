#include "chat_row.h"

#include <algorithm>
#include <iterator>

#include "gpt/base/error.h"
#include "gpt/base/strings.h"

#include "json_scanner.h"

namespace gpt {

namespace {

constexpr int kMessageDepth = 4;  // of a value in one

struct ChatMessage {
  std::string role = {}, content = {};
  bool has_role = false, has_content = false;
  bool counts = true;
};

// ShareGPT's names, and those of its relatives.
std::string known_role(const std::string& name) {
  constexpr std::string_view kAssistant[] = {"gpt", "chatgpt", "bard", "bing", "bot", "model"};
  if (name == "human") return "user";
  return std::find(std::begin(kAssistant), std::end(kAssistant), name) == std::end(kAssistant)
             ? name
             : "assistant";
}

class ChatScanner : public JsonScanner {
 public:
  ChatScanner(std::string_view line, const RowPattern& pattern, const std::string& origin)
      : JsonScanner(line, origin), pattern_(pattern) {}

  RowText text() {
    const std::string wanted = "a JSON object with a list of messages";
    enter_object(wanted);
    bool found = false;
    std::string name;
    members('}', [&] {
      member_name(&name);
      const bool here = name == "messages" || name == "conversations";
      here ? conversation() : value(1);
      found = found || here;
    });
    leave_object();
    if (!found)
      throw InputError(concat(origin_, ": expected ", wanted,
                              " at key \"messages\" or \"conversations\", found ", found_keys(),
                              "; of other rows --text_template and --answer_keys name the parts"));
    if (row_.answers.empty())
      throw InputError(concat(origin_, ": expected a message of the assistant, found none among ",
                              messages_, " messages"));
    return std::move(row_);
  }

 private:
  // Where a key comes twice the last one counts.
  void conversation() {
    row_ = {};
    messages_ = 0;
    if (peek() != '[') fail("a list of messages");
    ++at_;
    members(']', [&] { add(message()); });
  }

  void add(const ChatMessage& message) {
    ++messages_;
    std::vector<std::string> values;
    for (const RowPattern::Key& key : pattern_.keys())
      values.push_back(key.name == "role" ? message.role : message.content);
    const bool answer = message.role == "assistant" && message.counts;
    pattern_.add_text(values, row_, answer);
  }

  ChatMessage message() {
    if (peek() != '{') fail("a message with role and content");
    ++at_;
    ChatMessage message;
    std::string name;
    members('}', [&] {
      member_name(&name);
      if (name == "role" || name == "from") {
        message.role.clear();
        text_into(message.role, "a text as a message's role");
        message.role = known_role(message.role);
        message.has_role = true;
      } else if (name == "content" || name == "value") {
        message.content.clear();
        content(message.content);
        message.has_content = true;
      } else if (name == "weight") {
        const std::size_t begin = at_;
        value(kMessageDepth);
        message.counts = line_.substr(begin, at_ - begin).find_first_not_of("0.") != line_.npos;
      } else {
        value(kMessageDepth);
      }
    });
    if (!message.has_role || !message.has_content)
      fail(concat("a ", message.has_role ? "content" : "role", " in the message before here"));
    return message;
  }

  void text_into(std::string& text, const char* wanted) {
    if (peek() != '"') fail(wanted);
    row_.lone_surrogates += string(&text);
  }

  void content(std::string& text) {
    if (peek() != '[') return text_into(text, "a text as a message's content");
    ++at_;
    members(']', [&] {
      if (peek() != '{') return text_into(text, "a text as a part of a message's content");
      ++at_;
      bool found = false;
      std::string name;
      members('}', [&] {
        member_name(&name);
        if (name != "text") return value(kMessageDepth);
        text_into(text, "a text as a part of a message's content");
        found = true;
      });
      if (!found) fail("a text in the part of a message before here");
    });
  }

  const RowPattern& pattern_;
  RowText row_;
  std::int64_t messages_ = 0;
};

}  // namespace

RowText read_chat_row(std::string_view line, const RowPattern& message, const std::string& origin) {
  return ChatScanner(line, message, origin).text();
}

}  // namespace gpt
