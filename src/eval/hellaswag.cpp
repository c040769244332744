#include "gpt/eval/hellaswag.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "gpt/base/error.h"
#include "gpt/base/strings.h"
#include "gpt/eval/json_lines.h"
#include "gpt/eval/lambada.h"
#include "gpt/text/utf8.h"

namespace gpt {

namespace {

std::int64_t character_count(const std::string& utf8) {
  return std::max<std::int64_t>(1, static_cast<std::int64_t>(from_utf8(utf8).size()));
}

void replace_all(std::string& text, std::string_view what, std::string_view with) {
  for (std::size_t at = 0; (at = text.find(what, at)) != text.npos; at += with.size())
    text.replace(at, what.size(), with);
}

// Python's str.capitalize for ASCII letters, which is what the dataset has at these places.
std::string capitalized(std::string text) {
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  if (!text.empty() && text[0] >= 'a' && text[0] <= 'z')
    text[0] = static_cast<char>(text[0] - 'a' + 'A');
  return text;
}

// A number in Zellers' file, its text on Hugging Face.
std::size_t label_of(const nlohmann::json& object, std::size_t endings, const std::string& where) {
  const auto found = object.find("label");
  std::int64_t label = -1;
  if (found != object.end() && found->is_number_integer()) label = found->get<std::int64_t>();
  if (found != object.end() && found->is_string()) {
    const auto& text = found->get_ref<const std::string&>();
    if (text.size() == 1 && text[0] >= '0' && text[0] <= '9') label = text[0] - '0';
  }
  if (label < 0 || label >= static_cast<std::int64_t>(endings))
    throw InputError(concat(where, ": label: expected a number from 0 to ", endings - 1));
  return static_cast<std::size_t>(label);
}

ChoiceExample llmc_example(const nlohmann::json& object, const std::vector<std::string>& endings,
                           const Tokenizer& tokenizer, const std::string& where) {
  ChoiceExample example;
  example.context = tokenizer.encode(text_member(object, "ctx", where), where + ": ctx");
  if (example.context.empty()) throw InputError(where + ": ctx: expected a text, found none");
  for (const std::string& ending : endings) {
    example.endings.push_back(tokenizer.encode(" " + ending, where + ": endings"));
    example.characters.push_back(character_count(ending));
  }
  return example;
}

ChoiceExample lm_eval_example(const nlohmann::json& object, const std::vector<std::string>& endings,
                              const Tokenizer& tokenizer, const std::string& where) {
  const std::string query = hellaswag_cleaned(text_member(object, "activity_label", where) + ": " +
                                              text_member(object, "ctx_a", where) + " " +
                                              capitalized(text_member(object, "ctx_b", where)));
  ChoiceExample example;
  for (const std::string& raw : endings) {
    const std::string ending = hellaswag_cleaned(raw);
    SplitText split = encode_pair(query, " " + ending, tokenizer, where);
    example.context = std::move(split.context);
    example.endings.push_back(std::move(split.continuation));
    example.characters.push_back(character_count(ending));
  }
  return example;
}

}  // namespace

std::string hellaswag_cleaned(std::string text) {
  constexpr const char* kSpace = " \t\n\r\f\v";
  text.erase(0, std::min(text.find_first_not_of(kSpace), text.size()));
  text.resize(text.find_last_not_of(kSpace) + 1);
  replace_all(text, " [title]", ". ");
  for (std::size_t open = 0; (open = text.find('[', open)) != text.npos;) {
    const std::size_t close = text.find_first_of("]\n", open);
    if (close == text.npos || text[close] == '\n')
      ++open;
    else
      text.erase(open, close - open + 1);
  }
  replace_all(text, "  ", " ");
  return text;
}

std::vector<ChoiceExample> read_hellaswag_jsonl(const std::filesystem::path& path,
                                                const Tokenizer& tokenizer, HellaswagStyle style) {
  std::vector<ChoiceExample> examples;
  for_each_object(path, [&](const nlohmann::json& object, const std::string& where) {
    const auto endings = text_list_member(object, "endings", where);
    const std::size_t label = label_of(object, endings.size(), where);
    examples.push_back(style == HellaswagStyle::kLlmc
                           ? llmc_example(object, endings, tokenizer, where)
                           : lm_eval_example(object, endings, tokenizer, where));
    examples.back().label = label;
  });
  return examples;
}

}  // namespace gpt
