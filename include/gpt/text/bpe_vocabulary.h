// A byte-level BPE vocabulary as GPT-2 has it: the bytes of every token, and the merges that make
// tokens out of bytes.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gpt {

struct BpeVocabulary {
  // Two neighbours that become one token; an earlier merge goes first.
  struct Merge {
    std::int32_t left, right, merged;
  };

  std::vector<std::string> tokens;              // bytes by id; a special token's are its name
  std::array<std::int32_t, 256> byte_ids = {};  // the token of each single byte
  std::vector<Merge> merges;                    // each of bytes or of tokens that earlier ones made
  std::optional<std::int32_t> end_of_text = {};  // <|endoftext|>

  // Whether these are GPT-2's tokens and ids, by their checksum.
  bool is_gpt2() const;

  // The vocabulary as Hugging Face's GPT-2 directories have it. For GPT-2's own the files are those
  // of OpenAI (encoder.json and vocab.bpe), byte for byte.
  std::string vocab_json() const;
  std::string merges_txt() const;
};

// Reads, by their content, the forms in which such vocabularies come:
//   *.tiktoken                    lines of a token's bytes in base64 and its id
//   tokenizer.json                Hugging Face's, of type BPE with GPT-2's pre-tokenizer
//   encoder.json or vocab.json    with vocab.bpe or merges.txt next to it
//   vocab.bpe or merges.txt       with GPT-2's numbering, unless one of the former is next to it
// or a folder that holds one of these. InputError says what is wrong, and where.
BpeVocabulary read_bpe_vocabulary(const std::filesystem::path& path);

// The same for texts at hand; `origin` names them in errors. Of merges, `vocab_json` gives the ids;
// where it is empty, GPT-2's numbering holds.
BpeVocabulary parse_tiktoken_vocabulary(std::string_view text, const std::string& origin);
BpeVocabulary parse_tokenizer_json(std::string_view text, const std::string& origin);
BpeVocabulary parse_merges(std::string_view merges, const std::string& origin,
                           std::string_view vocab_json = {}, const std::string& json_origin = "");

}  // namespace gpt
