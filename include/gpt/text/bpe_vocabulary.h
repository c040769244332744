// A byte-level BPE vocabulary as GPT-2 has it: the bytes of every token, and the merges that make
// tokens out of bytes.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "gpt/text/pre_tokenizer.h"

namespace gpt {

// A token that is found by its name, before a text is cut into pieces.
struct AddedToken {
  std::string content;
  std::int32_t id = 0;
  bool special = true;
  bool normalized = false;              // looked for in what the others leave
  bool single_word = false;             // not next to a letter, a number or the like
  bool in_vocabulary = true;            // it was a token before it was added
  bool lstrip = false, rstrip = false;  // the spaces before or after it belong to it
};

struct BpeVocabulary {
  // Two neighbours that become one token; an earlier merge goes first.
  struct Merge {
    std::int32_t left, right, merged;
  };

  std::vector<std::string> tokens;  // bytes by id, none for an id that has no token; an added
                                    // token's are its name
  std::array<std::int32_t, 256> byte_ids = {};  // the token of each single byte, or kNoToken
  std::vector<Merge> merges;                    // the first goes first; no pair comes twice
  std::vector<AddedToken> added = {};
  std::optional<std::int32_t> end_of_text = {};  // <|endoftext|>, or what stands for it
  std::optional<std::int32_t> unknown = {};      // stands for a byte without a token; none: dropped
  bool fuse_unknown = false;                     // ... one for several in a row
  // A piece that is one of these is that token, whatever merges would give.
  std::unordered_map<std::string, std::int32_t> words = {};
  PreTokenizer pre_tokenizer = {};

  static constexpr std::int32_t kNoToken = -1;

  // Whether these are GPT-2's tokens and ids, by their checksum.
  bool is_gpt2() const;
  // How many of the 256 bytes have no token.
  std::int64_t missing_bytes() const;

  // The vocabulary as Hugging Face's GPT-2 directories have it. For GPT-2's own the files are those
  // of OpenAI (encoder.json and vocab.bpe), byte for byte.
  std::string vocab_json() const;
  std::string merges_txt() const;
  // All that is here in one file, as Hugging Face's `tokenizers` saves it.
  std::string tokenizer_json() const;
};

// Reads, by their content, the forms in which such vocabularies come:
//   *.tiktoken                    lines of a token's bytes in base64 and its id
//   tokenizer.json                Hugging Face's, of type BPE with a byte-level pre-tokenizer
//   encoder.json or vocab.json    with vocab.bpe or merges.txt next to it
//   vocab.bpe or merges.txt       with GPT-2's numbering, unless one of the former is next to it
// or a folder that holds one of these. Next to them may be Hugging Face's tokenizer_config.json,
// special_tokens_map.json and added_tokens.json. InputError says what is wrong, and where.
BpeVocabulary read_bpe_vocabulary(const std::filesystem::path& path);

// What Hugging Face keeps beside a vocabulary.
struct TokenizerSettings {
  struct Token {
    AddedToken token;                // its id does not count
    std::optional<std::int64_t> id;  // nothing: the next free one, unless the vocabulary has it
  };
  std::vector<Token> added = {};
  std::string end_of_text = {};  // the name of the token that ends a text; "": not said
  std::string tokenizer_class = {};
  bool add_prefix_space = false;
};

// The same for texts at hand; `origin` names them in errors. Of merges, `vocab_json` gives the ids;
// where it is empty, GPT-2's numbering holds.
BpeVocabulary parse_tiktoken_vocabulary(std::string_view text, const std::string& origin);
BpeVocabulary parse_tokenizer_json(std::string_view text, const std::string& origin,
                                   const TokenizerSettings& settings = {});
BpeVocabulary parse_merges(std::string_view merges, const std::string& origin,
                           std::string_view vocab_json = {}, const std::string& json_origin = "",
                           const TokenizerSettings& settings = {});

// Add what a tokenizer_config.json (or a special_tokens_map.json) and an added_tokens.json say.
void parse_tokenizer_config(std::string_view text, const std::string& origin,
                            TokenizerSettings& settings);
void parse_added_tokens(std::string_view text, const std::string& origin,
                        TokenizerSettings& settings);

}  // namespace gpt
