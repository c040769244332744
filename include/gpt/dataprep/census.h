// The characters of a text: the vocabulary of nanoGPT's character models.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "gpt/dataprep/text_unit.h"

namespace gpt {

struct Census {
  std::u32string characters;  // distinct, sorted
  std::int64_t count = 0;     // of all of them
};

// Of one unit. An ill-formed sequence is a U+FFFD.
Census take_census(const TextUnit& unit, const SourceFile& file, const DocumentRules& rules);

// Adds another's. InputError, naming `file`, if the characters are too many for 16-bit tokens.
void add_census(Census& all, const Census& more, const SourceFile& file);

}  // namespace gpt
