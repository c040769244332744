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
#include "gpt/text/tokenizer_files.h"

namespace gpt {

namespace {

constexpr const char* kEndOfText = "<|endoftext|>";

std::string tokenizer_config(std::int64_t block_size) {
  nlohmann::ordered_json json;
  json["add_prefix_space"] = false;
  for (const char* key : {"bos_token", "eos_token", "unk_token"}) json[key] = kEndOfText;
  json["model_max_length"] = block_size;
  json["tokenizer_class"] = "GPT2Tokenizer";
  return json.dump(2) + "\n";
}

std::string special_tokens() {
  nlohmann::ordered_json json;
  for (const char* key : {"bos_token", "eos_token", "unk_token"}) json[key] = kEndOfText;
  return json.dump(2) + "\n";
}

}  // namespace

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
      result.files = {{"vocab.json", bpe->vocabulary().vocab_json()},
                      {"merges.txt", bpe->vocabulary().merges_txt()},
                      {"tokenizer_config.json", tokenizer_config(block_size)},
                      {"special_tokens_map.json", special_tokens()}};
    else
      log_warning(
          "transformers has no tokenizer for a character vocabulary; the folder will have "
          "none");
  } catch (const InputError& error) {
    log_warning(std::string(error.what()) + "; the folder will have no tokenizer");
  }
  return result;
}

}  // namespace gpt
