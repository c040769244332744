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

// Whether transformers cuts texts for a tokenizer of that class by GPT-2's pattern.
bool has_gpt2_pattern(std::string_view tokenizer_class) {
  for (const char* name : {"GPT2", "Roberta", "Bart", "Longformer", "LED", "Deberta", "OPT"})
    if (tokenizer_class.starts_with(name)) return true;
  return false;
}

}  // namespace

BpeVocabulary parse_merges(std::string_view merges, const std::string& origin,
                           std::string_view vocab_json, const std::string& json_origin,
                           const TokenizerSettings& settings) {
  VocabularyBuilder builder;
  const std::vector<MergeLine> lines = parse_lines(merges, origin);
  const bool numbered = vocab_json.empty();
  if (numbered)
    number_tokens(lines, origin, builder);
  else
    add_vocab_json(parse_json(vocab_json, json_origin, kFetchAgain), json_origin, builder);
  const std::string& ids_origin = numbered ? origin : json_origin;
  // Of these, transformers always has this one.
  const std::string end(Tokenizer::kEndOfText);
  if (builder.find(end)) builder.add_added({.content = end}, std::nullopt, ids_origin);
  for (const auto& [token, id] : settings.added)
    if (id || builder.find(token.content)) builder.add_added(token, id, ids_origin);
  for (const MergeLine& merge : lines) {
    const EntryPlace place{origin, "line", merge.number};
    if (numbered)
      builder.add_merge_in_order(merge.left, merge.right, place);
    else
      builder.add_merge(merge.left, merge.right, place);
  }
  BpeVocabulary vocabulary =
      builder.finish(ids_origin, {.all_bytes = numbered,
                                  .check_pattern = !has_gpt2_pattern(settings.tokenizer_class),
                                  .end_of_text = settings.end_of_text});
  vocabulary.pre_tokenizer.add_prefix_space = settings.add_prefix_space;
  return vocabulary;
}

}  // namespace gpt
