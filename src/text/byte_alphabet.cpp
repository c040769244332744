#include "byte_alphabet.h"

#include "gpt/text/utf8.h"

namespace gpt {

namespace {

bool stands_for_itself(int byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte != 0xAD);
}

std::array<char32_t, 256> letters() {
  std::array<char32_t, 256> letters;
  char32_t next = 0x100;
  for (int byte = 0; byte < 256; ++byte)
    letters[static_cast<std::size_t>(byte)] =
        stands_for_itself(byte) ? static_cast<char32_t>(byte) : next++;
  return letters;
}

const std::array<char32_t, 256> kAlphabet = letters();

std::array<int, 0x144> bytes() {
  std::array<int, 0x144> bytes;
  bytes.fill(-1);
  for (std::size_t byte = 0; byte < 256; ++byte) bytes[kAlphabet[byte]] = static_cast<int>(byte);
  return bytes;
}

const std::array<int, 0x144> kBytes = bytes();

}  // namespace

std::array<unsigned char, 256> alphabet_order() {
  std::array<unsigned char, 256> order;
  std::size_t next = 0;
  for (const bool itself : {true, false})
    for (int byte = 0; byte < 256; ++byte)
      if (stands_for_itself(byte) == itself) order[next++] = static_cast<unsigned char>(byte);
  return order;
}

std::optional<std::string> bytes_of_letters(std::string_view utf8) {
  std::string text;
  for (const char32_t letter : from_utf8(utf8)) {
    if (letter >= kBytes.size() || kBytes[letter] < 0) return std::nullopt;
    text.push_back(static_cast<char>(kBytes[letter]));
  }
  return text;
}

std::u32string letters_of_bytes(std::string_view bytes) {
  std::u32string text;
  for (const char byte : bytes) text.push_back(kAlphabet[static_cast<unsigned char>(byte)]);
  return text;
}

}  // namespace gpt
