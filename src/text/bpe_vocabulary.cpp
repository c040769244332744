#include "gpt/text/bpe_vocabulary.h"

#include "gpt/base/checksum.h"
#include "gpt/base/strings.h"
#include "gpt/text/utf8.h"

#include "byte_alphabet.h"

namespace gpt {

namespace {

// As Python's json.dumps writes it.
std::string json_string(std::string_view bytes) {
  std::string text = "\"";
  for (const char32_t letter : letters_of_bytes(bytes))
    if (letter == U'"' || letter == U'\\')
      (text += '\\') += static_cast<char>(letter);
    else if (letter < 0x7F)
      text += static_cast<char>(letter);
    else
      text += format("\\u%04x", static_cast<unsigned>(letter));
  return text + '"';
}

}  // namespace

bool BpeVocabulary::is_gpt2() const {
  constexpr std::uint32_t kGpt2 = 0xCC043B9D;  // CRC-32C of OpenAI's encoder.json and vocab.bpe
  const std::string files = vocab_json() + merges_txt();
  return crc32c(std::as_bytes(std::span(files))) == kGpt2;
}

std::string BpeVocabulary::vocab_json() const {
  std::string text = "{";
  for (std::size_t id = 0; id < tokens.size(); ++id) {
    if (id > 0) text += ", ";
    text += json_string(tokens[id]) + ": " + std::to_string(id);
  }
  return text + "}";
}

std::string BpeVocabulary::merges_txt() const {
  std::string text = "#version: 0.2\n";
  for (const Merge& merge : merges)
    text += to_utf8(letters_of_bytes(tokens[static_cast<std::size_t>(merge.left)])) + " " +
            to_utf8(letters_of_bytes(tokens[static_cast<std::size_t>(merge.right)])) + "\n";
  return text;
}

}  // namespace gpt
