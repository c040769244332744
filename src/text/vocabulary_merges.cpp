// vocab.bpe or merges.txt, with the ids of encoder.json or vocab.json or with GPT-2's numbering.
#include <nlohmann/json.hpp>

#include "gpt/base/error.h"
#include "gpt/base/json.h"
#include "gpt/base/strings.h"
#include "gpt/text/tokenizer.h"

#include "byte_alphabet.h"
#include "text_lines.h"
#include "vocabulary_builder.h"

namespace gpt {

namespace {

struct MergeLine {
  std::string left, right;
  std::int64_t number;
};

// "t h" in GPT-2's letters.
MergeLine parse_line(std::string_view line, const EntryPlace& place) {
  const std::size_t space = line.find(' ');
  const std::string_view right = space == line.npos ? "" : line.substr(space + 1);
  const auto left_bytes = bytes_of_letters(line.substr(0, space));
  const auto right_bytes = bytes_of_letters(right);
  if (!left_bytes || !right_bytes || left_bytes->empty() || right_bytes->empty())
    throw InputError(place.text() + ": expected two tokens in GPT-2's letters");
  return {*left_bytes, *right_bytes, place.number};
}

std::vector<MergeLine> parse_lines(std::string_view text, const std::string& origin) {
  std::vector<MergeLine> merges;
  for_each_line(text, [&](std::string_view line, std::int64_t number) {
    if (number > 1 || !line.starts_with("#version"))
      merges.push_back(parse_line(line, {origin, "line", number}));
  });
  return merges;
}

// GPT-2's: the bytes, then what each merge makes, then <|endoftext|>.
void number_tokens(const std::vector<MergeLine>& merges, const std::string& origin,
                   VocabularyBuilder& builder) {
  std::int64_t id = 0;
  for (const unsigned char byte : alphabet_order()) {
    builder.add_token(std::string(1, static_cast<char>(byte)), id, {origin, "byte", byte});
    ++id;
  }
  for (const MergeLine& merge : merges)
    builder.add_token(merge.left + merge.right, id++, {origin, "line", merge.number});
  builder.add_end_of_text(origin);
}

}  // namespace

BpeVocabulary parse_merges(std::string_view merges, const std::string& origin,
                           std::string_view vocab_json, const std::string& json_origin) {
  VocabularyBuilder builder;
  const std::vector<MergeLine> lines = parse_lines(merges, origin);
  const bool numbered = vocab_json.empty();
  if (numbered)
    number_tokens(lines, origin, builder);
  else
    add_vocab_json(parse_json(vocab_json, json_origin, kFetchAgain), json_origin, {}, builder);
  for (const MergeLine& merge : lines)
    builder.add_merge(merge.left, merge.right, {origin, "line", merge.number});
  return builder.finish(numbered ? origin : json_origin);
}

}  // namespace gpt
