// A chunk of text to tokens as they are on disk.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "gpt/dataprep/split_rule.h"
#include "gpt/dataprep/text_chunk.h"
#include "gpt/text/tokenizer.h"

namespace gpt {

enum class EotPlace { kNone, kAppend, kPrepend };  // <|endoftext|> after or before each document

struct EncodingRules {
  DocumentRules documents;
  EotPlace eot = EotPlace::kNone;
  SplitRule split;            // by document
  bool added_tokens = false;  // their names in the text become them
  // Characters are those of the tokens' text: where that is not the text that was read.
  bool characters_of_tokens = false;
  std::int64_t token_bytes = 2;
};

struct EncodedChunk {
  enum Side { kTrain, kVal };
  std::array<std::string, 2> tokens;           // little-endian, token_bytes each
  std::array<std::string, 2> masks;            // where rows have answers: a byte for each token
  std::array<std::int64_t, 2> counted = {};    // tokens whose byte is 1: targets that count
  std::array<std::int64_t, 2> documents = {};  // that begin here
  std::int64_t characters = 0;                 // code points
  std::int64_t invalid = 0;                    // ill-formed sequences
  std::string first_invalid;                   // where the first of them is
  BadRows bad_rows;
  Tokenizer::AddedTokensFound added_tokens;  // in the text
  ReadPosition after;
  std::optional<FileStamp> finished;
  double disk_bytes = 0;
};

// May be called by several threads at once. InputError as for_each_part and the tokenizer have it.
EncodedChunk encode_chunk(const TextChunk& chunk, const Tokenizer& tokenizer,
                          const EncodingRules& rules);

// Characters that these ids stand for; <|endoftext|> stands for none.
std::int64_t characters_of(const Tokenizer& tokenizer, std::span<const std::int32_t> ids);

// Token ids as they are on disk, and back.
void append_token_bytes(std::span<const std::int32_t> ids, std::int64_t token_bytes,
                        std::string& bytes);
std::int32_t token_at(std::string_view bytes, std::int64_t token_bytes, std::size_t index);

}  // namespace gpt
