// GPT-2's vocabulary files write every byte as one printable character, so that a token is a word
// without spaces: printable Latin-1 stands for itself, the 68 others for U+0100 to U+0143.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gpt/text/bpe_vocabulary.h"

namespace gpt {

// The bytes in the order in which GPT-2 numbers them: those that stand for themselves first.
std::array<unsigned char, 256> alphabet_order();

// "\u0120the" -> " the". Nothing if a character is not of the alphabet.
std::optional<std::string> bytes_of_letters(std::string_view utf8);

// " the" -> "\u0120the" as code points.
std::u32string letters_of_bytes(std::string_view bytes);

// What each token is called in vocabulary files: its bytes in GPT-2's letters, or the name of an
// added one. "" for an id without a token.
std::vector<std::u32string> token_names(const BpeVocabulary& vocabulary);

}  // namespace gpt
