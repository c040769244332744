// Puts a BpeVocabulary together from a file's entries and refuses what is none.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "gpt/text/bpe_vocabulary.h"

namespace gpt {

// An entry of a file, for errors: "merges.txt: line 7".
struct EntryPlace {
  const std::string& file;
  const char* unit;
  std::int64_t number;
  std::string text() const;
};

// All members throw InputError.
class VocabularyBuilder {
 public:
  // Tokens come first, in any order.
  void add_token(std::string bytes, std::int64_t id, const EntryPlace& place);
  // One whose name is not written in GPT-2's letters, so that no text becomes it by merges.
  void add_name(const std::string& name, std::int64_t id, const EntryPlace& place);

  // Then those that are found by their names. As in Hugging Face's `tokenizers`, one that the
  // vocabulary has keeps its id, and the others get the next ones; an `id` that the file gives is
  // only compared, and a difference warned of.
  void add_added(AddedToken token, std::optional<std::int64_t> id, const std::string& file);
  // <|endoftext|> with the first id that is free: GPT-2's files without it mean this.
  void add_end_of_text(const std::string& file);

  // Of the tokens so far, those of the single bytes, which must all be there.
  std::array<std::int32_t, 256> byte_ids(const std::string& file) const;
  std::optional<std::int32_t> find(const std::string& name) const;
  // The tokens that are bytes.
  const std::unordered_map<std::string, std::int32_t>& words() const { return id_of_; }

  // Then the merges, in their order. Of tokens that are there; where the same two come again, that
  // place counts.
  void add_merge(const std::string& left, const std::string& right, const EntryPlace& place);
  // In order: also of bytes or of what earlier merges make, and each makes another token.
  void add_merge_in_order(std::int32_t left, std::int32_t right, std::int32_t merged,
                          const EntryPlace& place);
  void add_merge_in_order(const std::string& left, const std::string& right,
                          const EntryPlace& place);

  struct Rules {
    bool all_bytes = false;  // each has a token, and so has each id
    // Nothing says which pattern the vocabulary was made for, so its tokens must fit GPT-2's.
    bool check_pattern = false;
    std::string end_of_text = {};  // the name of the token that ends a text, where <|endoftext|> is
                                   // none
  };
  // `file` is the one that gave the ids.
  BpeVocabulary finish(const std::string& file, const Rules& rules);

 private:
  void enter(const std::string& bytes, std::int64_t id, const EntryPlace& place);
  std::int32_t id_of(const std::string& bytes, const EntryPlace& place) const;
  bool is_made(std::int32_t id) const;
  std::string shown(std::int32_t id) const;
  void check_ids(const std::string& file, bool all) const;
  void keep_last_of_each_pair();
  std::optional<std::int32_t> settled_end_of_text(const std::string& named) const;

  BpeVocabulary vocabulary_;
  std::unordered_map<std::string, std::int32_t> id_of_, id_of_name_;
  std::vector<bool> present_, made_;  // by id; made: by a merge
  std::int64_t entries_ = 0;          // of the vocabulary proper
  std::optional<std::int64_t> next_;  // id of the next added token that is new
};

// Bytes for an error message: GPT-2's letters, cut short.
std::string shown_token(std::string_view bytes);

// What to do about a file of a vocabulary that is no such file.
inline constexpr std::string_view kFetchAgain = "fetch it again";

// The "vocab" object that encoder.json, vocab.json and tokenizer.json have in common:
// {"token in GPT-2's letters": id, ...}.
void add_vocab_json(const nlohmann::json& vocab, const std::string& origin,
                    VocabularyBuilder& builder);

// One of "added_tokens" or of "added_tokens_decoder"; its id is not looked at.
AddedToken read_added_token(const nlohmann::json& token, const std::string& place);

}  // namespace gpt
