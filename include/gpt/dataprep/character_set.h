// The characters of a text: the vocabulary of nanoGPT's character models.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "gpt/dataprep/text_chunk.h"

namespace gpt {

struct CharacterSet {
  std::u32string characters;  // distinct, sorted
  std::int64_t count = 0;     // of all of them
  BadRows bad_rows;
};

// Of one chunk. An ill-formed sequence is a U+FFFD.
CharacterSet character_set_of(const TextChunk& chunk, const DocumentRules& rules);

// Adds another's. InputError, naming `file`, if the characters are too many for 16-bit tokens.
void add_characters(CharacterSet& all, const CharacterSet& more, const SourceFile& file);

}  // namespace gpt
