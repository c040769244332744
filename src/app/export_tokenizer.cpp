#include "app/export_tokenizer.h"

#include <algorithm>
#include <memory>

#include <nlohmann/json.hpp>

#include "gpt/base/error.h"
#include "gpt/base/log.h"
#include "gpt/base/strings.h"
#include "gpt/config/model_config.h"
#include "gpt/text/bpe_tokenizer.h"
#include "gpt/text/bpe_vocabulary.h"
#include "gpt/text/char_tokenizer.h"
#include "gpt/text/tokenizer_files.h"

namespace gpt {

namespace {

using Files = std::map<std::string, std::string>;

constexpr const char* kEndOfText = "<|endoftext|>";

std::string special_tokens() {
  nlohmann::ordered_json json;
  for (const char* key : {"bos_token", "eos_token", "unk_token"}) json[key] = kEndOfText;
  return json.dump(2) + "\n";
}

Files gpt2_files(const BpeVocabulary& vocabulary, std::int64_t block_size) {
  return {{"vocab.json", vocabulary.vocab_json()},
          {"merges.txt", vocabulary.merges_txt()},
          {"tokenizer_config.json", gpt2_tokenizer_config(block_size)},
          {"special_tokens_map.json", special_tokens()}};
}

// For a tokenizer.json that is to be taken as it is: transformers would put GPT-2's way of cutting
// texts in the place of the file's.
std::string general_config(std::int64_t block_size, const std::string& end_of_text) {
  nlohmann::ordered_json json;
  if (!end_of_text.empty())
    for (const char* key : {"bos_token", "eos_token"}) json[key] = end_of_text;
  json["clean_up_tokenization_spaces"] = false;
  json["model_max_length"] = block_size;
  json["tokenizer_class"] = "PreTrainedTokenizerFast";
  return json.dump(2) + "\n";
}

Files bpe_files(const BpeVocabulary& vocabulary, std::int64_t block_size) {
  const std::string end = vocabulary.end_of_text
                              ? vocabulary.tokens[static_cast<std::size_t>(*vocabulary.end_of_text)]
                              : "";
  return {{"vocab.json", vocabulary.vocab_json()},
          {"merges.txt", vocabulary.merges_txt()},
          {"tokenizer.json", vocabulary.tokenizer_json()},
          {"tokenizer_config.json", general_config(block_size, end)}};
}

}  // namespace

std::string gpt2_tokenizer_config(std::optional<std::int64_t> block_size) {
  nlohmann::ordered_json json;
  json["add_prefix_space"] = false;
  for (const char* key : {"bos_token", "eos_token", "unk_token"}) json[key] = kEndOfText;
  if (block_size) json["model_max_length"] = *block_size;
  json["tokenizer_class"] = "GPT2Tokenizer";
  return json.dump(2) + "\n";
}

ExportedTokenizer tokenizer_files(const std::string& vocabulary_json, std::int64_t model_rows,
                                  std::int64_t block_size) {
  ExportedTokenizer result{.files = {}, .vocab_size = model_rows};
  const bool gpt2_size = model_rows == kGpt2Vocabulary || model_rows == kGpt2PaddedVocabulary;
  if (vocabulary_json.empty() && !gpt2_size) {
    log_warning(concat("the run does not say what its ", model_rows,
                       " tokens mean; the folder will have no tokenizer"));
    return result;
  }
  if (vocabulary_json.empty()) result.vocab_size = kGpt2Vocabulary;
  try {
    const std::unique_ptr<Tokenizer> tokenizer =
        vocabulary_json.empty() ? open_tokenizer("gpt2")
                                : tokenizer_of_meta(vocabulary_json, "the run's vocabulary");
    result.vocab_size = std::min(model_rows, tokenizer->vocab_size());
    if (const auto* bpe = dynamic_cast<const BpeTokenizer*>(tokenizer.get()))
      result.files = bpe->name() == "gpt2" ? gpt2_files(bpe->vocabulary(), block_size)
                                           : bpe_files(bpe->vocabulary(), block_size);
    else if (const auto* characters = dynamic_cast<const CharTokenizer*>(tokenizer.get()))
      result.files = {{"tokenizer.json", characters->tokenizer_json()},
                      {"tokenizer_config.json", general_config(block_size, "")}};
  } catch (const InputError& error) {
    log_warning(std::string(error.what()) + "; the folder will have no tokenizer");
  }
  return result;
}

}  // namespace gpt
