// tokenizer.json as Hugging Face's `tokenizers` saves it.
#include <algorithm>

#include <nlohmann/json.hpp>

#include "gpt/text/bpe_vocabulary.h"
#include "gpt/text/utf8.h"

#include "byte_alphabet.h"
#include "tokenizer_json.h"

namespace gpt {

namespace {

using nlohmann::ordered_json;

ordered_json repeated(const char* pattern, const SplitStep& step) {
  std::string regex = pattern;
  if (step.most > 1000)
    regex += step.least == 1 ? "+" : "{" + std::to_string(step.least) + ",}";
  else if (step.least != 1 || step.most != 1)
    regex += "{" + std::to_string(step.least) + "," + std::to_string(step.most) + "}";
  return {{"Regex", regex}};
}

ordered_json pattern_of(const SplitStep& step) {
  switch (step.pattern) {
    case SplitStep::Pattern::kText:
      return {{"String", step.text}};
    case SplitStep::Pattern::kNumber:
      return repeated(R"(\p{N})", step);
    case SplitStep::Pattern::kAsciiDigit:
      return repeated("[0-9]", step);
    case SplitStep::Pattern::kLetter:
      return repeated(R"(\p{L})", step);
    case SplitStep::Pattern::kSpace:
      return repeated(R"(\s)", step);
    case SplitStep::Pattern::kNewline:
      return repeated(R"(\n)", step);
    case SplitStep::Pattern::kGpt2:
      break;
  }
  return {
      {"Regex", R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)"}};
}

ordered_json byte_level(bool add_prefix_space, bool use_regex) {
  return {{"type", "ByteLevel"},
          {"add_prefix_space", add_prefix_space},
          {"trim_offsets", true},
          {"use_regex", use_regex}};
}

ordered_json pre_tokenizer_json(const PreTokenizer& pre_tokenizer) {
  constexpr const char* kBehaviors[] = {"Removed", "Isolated", "MergedWithPrevious",
                                        "MergedWithNext", "Contiguous"};
  const ordered_json last = byte_level(pre_tokenizer.add_prefix_space, pre_tokenizer.use_pattern);
  if (pre_tokenizer.splits.empty()) return last;
  ordered_json steps = ordered_json::array();
  for (const SplitStep& step : pre_tokenizer.splits)
    steps.push_back({{"type", "Split"},
                     {"pattern", pattern_of(step)},
                     {"behavior", kBehaviors[static_cast<std::size_t>(step.behavior)]},
                     {"invert", step.invert}});
  steps.push_back(last);
  return {{"type", "Sequence"}, {"pretokenizers", steps}};
}

ordered_json added_tokens_json(std::vector<AddedToken> tokens) {
  std::sort(tokens.begin(), tokens.end(),
            [](const AddedToken& a, const AddedToken& b) { return a.id < b.id; });
  ordered_json list = ordered_json::array();
  for (const AddedToken& token : tokens)
    list.push_back({{"id", token.id},
                    {"content", token.content},
                    {"single_word", token.single_word},
                    {"lstrip", token.lstrip},
                    {"rstrip", token.rstrip},
                    {"normalized", token.normalized},
                    {"special", token.special}});
  return list;
}

ordered_json model_json(const BpeVocabulary& vocabulary) {
  std::vector<std::string> names;
  for (const std::u32string& name : token_names(vocabulary)) names.push_back(to_utf8(name));
  ordered_json model = {{"type", "BPE"}, {"dropout", nullptr}};
  model["unk_token"] = vocabulary.unknown
                           ? ordered_json(names[static_cast<std::size_t>(*vocabulary.unknown)])
                           : ordered_json();
  model["continuing_subword_prefix"] = "";
  model["end_of_word_suffix"] = "";
  model["fuse_unk"] = vocabulary.fuse_unknown;
  model["byte_fallback"] = false;
  model["ignore_merges"] = !vocabulary.words.empty();
  std::vector<std::string> words = names;
  for (const AddedToken& token : vocabulary.added)
    if (!token.in_vocabulary && names[static_cast<std::size_t>(token.id)] == token.content)
      words[static_cast<std::size_t>(token.id)].clear();
  model["vocab"] = vocab_object(words);
  ordered_json merges = ordered_json::array();
  for (const BpeVocabulary::Merge& merge : vocabulary.merges)
    merges.push_back({names[static_cast<std::size_t>(merge.left)],
                      names[static_cast<std::size_t>(merge.right)]});
  model["merges"] = std::move(merges);
  return model;
}

}  // namespace

ordered_json vocab_object(const std::vector<std::string>& names) {
  ordered_json::object_t vocab;
  std::vector<ordered_json::object_t::value_type>& pairs = vocab;
  for (std::size_t id = 0; id < names.size(); ++id)
    if (!names[id].empty()) pairs.emplace_back(names[id], id);
  return vocab;
}

std::string tokenizer_json_text(const TokenizerJson& parts) {
  const ordered_json all = {{"version", "1.0"},
                            {"truncation", nullptr},
                            {"padding", nullptr},
                            {"added_tokens", parts.added_tokens},
                            {"normalizer", nullptr},
                            {"pre_tokenizer", parts.pre_tokenizer},
                            {"post_processor", parts.post_processor},
                            {"decoder", parts.decoder},
                            {"model", parts.model}};
  return all.dump(2, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

std::string BpeVocabulary::tokenizer_json() const {
  const ordered_json plain = byte_level(/*add_prefix_space=*/false, /*use_regex=*/true);
  return tokenizer_json_text({.added_tokens = added_tokens_json(added),
                              .pre_tokenizer = pre_tokenizer_json(pre_tokenizer),
                              .post_processor = plain,
                              .decoder = plain,
                              .model = model_json(*this)});
}

}  // namespace gpt
