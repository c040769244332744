// Puts a BpeVocabulary together from a file's entries and refuses what is none.
#pragma once

#include <array>
#include <cstdint>
#include <map>
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
  // One that no text becomes by merges, e.g. <|endoftext|>.
  void add_special(const std::string& name, std::int64_t id, const EntryPlace& place);
  // <|endoftext|> with the first id that is free: GPT-2's files without it mean this.
  void add_end_of_text(const std::string& file);

  // Of the tokens so far, those of the single bytes, which must all be there.
  std::array<std::int32_t, 256> byte_ids(const std::string& file) const;

  // Then the merges, in their order.
  void add_merge(const std::string& left, const std::string& right, const EntryPlace& place);
  void add_merge(std::int32_t left, std::int32_t right, std::int32_t merged,
                 const EntryPlace& place);

  // All bytes and all ids up to the largest must be there, and the tokens must be such as
  // GPT-2's pattern allows. `file` is the one that gave the ids.
  BpeVocabulary finish(const std::string& file);

 private:
  void enter(const std::string& bytes, std::int64_t id, const EntryPlace& place);
  std::int32_t id_of(const std::string& bytes, const EntryPlace& place) const;
  bool is_made(std::int32_t id) const;
  std::string shown(std::int32_t id) const;

  BpeVocabulary vocabulary_;
  std::unordered_map<std::string, std::int32_t> id_of_;
  std::vector<bool> present_, made_;  // by id; made: by a merge
};

// Bytes for an error message: GPT-2's letters, cut short.
std::string shown_token(std::string_view bytes);

// What to do about a file of a vocabulary that is no such file.
inline constexpr std::string_view kFetchAgain = "fetch it again";

// The "vocab" object that encoder.json, vocab.json and tokenizer.json have in common.
// Adds all of {"token in GPT-2's letters": id, ...}. <|endoftext|>, the tokens in `special` and any
// that GPT-2's letters cannot write are special ones.
void add_vocab_json(const nlohmann::json& vocab, const std::string& origin,
                    const std::map<std::string, std::int64_t>& special, VocabularyBuilder& builder);

}  // namespace gpt
