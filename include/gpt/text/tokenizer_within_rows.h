// A tokenizer that knows more tokens than its model has rows: a pad token, say, that was added and
// never trained.
#pragma once

#include <memory>

#include "gpt/text/tokenizer.h"

namespace gpt {

// Its tokens are those with a row. A text that needs one without is an InputError.
class TokenizerWithinRows : public Tokenizer {
 public:
  TokenizerWithinRows(std::unique_ptr<Tokenizer> tokenizer, std::int64_t rows)
      : tokenizer_(std::move(tokenizer)), rows_(rows) {}

  std::string_view name() const override { return tokenizer_->name(); }
  std::int64_t vocab_size() const override { return rows_; }
  std::optional<std::int32_t> end_of_text() const override;
  std::int64_t append_ids(std::string_view text, const std::string& origin,
                          std::vector<std::int32_t>& ids,
                          const EncodeOptions& options) const override;
  void append_text(std::int64_t id, std::string& bytes) const override {
    tokenizer_->append_text(id, bytes);
  }
  std::size_t safe_cut(std::string_view text, const EncodeOptions& options) const override {
    return tokenizer_->safe_cut(text, options);
  }
  bool restores_text() const override { return tokenizer_->restores_text(); }
  AddedTokensFound find_added_tokens(std::string_view text) const override {
    return tokenizer_->find_added_tokens(text);
  }

 private:
  std::unique_ptr<Tokenizer> tokenizer_;
  std::int64_t rows_;
};

}  // namespace gpt
