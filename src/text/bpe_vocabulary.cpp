#include "gpt/text/bpe_vocabulary.h"

#include <algorithm>

#include "gpt/base/checksum.h"
#include "gpt/base/strings.h"
#include "gpt/text/tokenizer.h"
#include "gpt/text/utf8.h"

#include "byte_alphabet.h"

namespace gpt {

namespace {

// As Python's json.dumps writes it.
std::string json_string(std::u32string_view characters) {
  std::string text = "\"";
  for (const char32_t letter : characters) {
    const auto code = static_cast<unsigned>(letter);
    if (letter == U'"' || letter == U'\\')
      (text += '\\') += static_cast<char>(letter);
    else if (letter >= U' ' && letter < 0x7F)
      text += static_cast<char>(letter);
    else if (code > 0xFFFF)
      text += format("\\u%04x\\u%04x", 0xD7C0 + (code >> 10), 0xDC00 + (code & 0x3FF));
    else
      text += format("\\u%04x", code);
  }
  return text + '"';
}

}  // namespace

std::vector<std::u32string> token_names(const BpeVocabulary& vocabulary) {
  std::vector<std::u32string> names;
  for (const std::string& token : vocabulary.tokens) names.push_back(letters_of_bytes(token));
  for (const AddedToken& token : vocabulary.added) {
    const auto id = static_cast<std::size_t>(token.id);
    if (vocabulary.tokens[id] == token.content) names[id] = from_utf8(token.content);
  }
  return names;
}

bool BpeVocabulary::is_gpt2() const {
  constexpr std::uint32_t kGpt2 = 0xCC043B9D;  // CRC-32C of OpenAI's encoder.json and vocab.bpe
  const auto is_plain = [](const AddedToken& token) {
    return !token.single_word && !token.lstrip && !token.rstrip;
  };
  if (!pre_tokenizer.is_plain() || !words.empty() || added.size() != 1 || !is_plain(added.front()))
    return false;
  const std::string files = vocab_json() + merges_txt();
  return crc32c(std::as_bytes(std::span(files))) == kGpt2;
}

std::int64_t BpeVocabulary::missing_bytes() const {
  return std::count(byte_ids.begin(), byte_ids.end(), kNoToken);
}

std::string BpeVocabulary::vocab_json() const {
  std::string text = "{";
  const std::vector<std::u32string> names = token_names(*this);
  for (std::size_t id = 0; id < names.size(); ++id) {
    if (names[id].empty()) continue;
    if (text.size() > 1) text += ", ";
    text += json_string(names[id]) + ": " + std::to_string(id);
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
