// GPT-2's tokenizer: byte-level BPE over the pieces of GPT-2's pattern, with tiktoken's ids; and
// those of its kind, with the ids of Hugging Face's `tokenizers`.
#pragma once

#include <memory>

#include "gpt/text/bpe_vocabulary.h"
#include "gpt/text/tokenizer.h"

namespace gpt {

class AddedTokens;

class BpeTokenizer final : public Tokenizer {
 public:
  explicit BpeTokenizer(BpeVocabulary vocabulary);
  ~BpeTokenizer() override;

  std::string_view name() const override { return name_; }
  std::int64_t vocab_size() const override {
    return static_cast<std::int64_t>(vocabulary_.tokens.size());
  }
  std::optional<std::int32_t> end_of_text() const override { return vocabulary_.end_of_text; }
  const BpeVocabulary& vocabulary() const { return vocabulary_; }

  // Never throws for what the text is: ill-formed UTF-8 is encoded by its bytes, as if it were
  // punctuation. Time is linear in the text, even where it has no spaces.
  std::int64_t append_ids(std::string_view text, const std::string& origin,
                          std::vector<std::int32_t>& ids,
                          const EncodeOptions& options = {}) const override;
  void append_text(std::int64_t id, std::string& bytes) const override;
  std::size_t safe_cut(std::string_view text, const EncodeOptions& options = {}) const override;
  bool restores_text() const override;
  AddedTokensFound find_added_tokens(std::string_view text) const override;

 private:
  class Encoders;
  class Cuts;

  BpeVocabulary vocabulary_;
  std::string_view name_;
  std::unique_ptr<Encoders> encoders_;
  std::unique_ptr<const AddedTokens> added_;
  std::unique_ptr<const Cuts> cuts_;
};

}  // namespace gpt
