// *.tiktoken: one token a line, its bytes in base64 and its id. The ids are the order of the
// merges, and what each one merges is found again by running those before it on its bytes.
#include <algorithm>
#include <charconv>

#include "gpt/base/error.h"
#include "gpt/base/strings.h"
#include "gpt/text/tokenizer.h"

#include "flat_map.h"
#include "text_lines.h"
#include "vocabulary_builder.h"

namespace gpt {

namespace {

// Six bits of a base64 letter; -1 for any other character.
int bits_of(char letter) {
  constexpr std::string_view kLetters =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const std::size_t found = kLetters.find(letter);
  return found == std::string_view::npos ? -1 : static_cast<int>(found);
}

std::optional<std::string> from_base64(std::string_view text) {
  if (text.empty() || text.size() % 4 != 0) return std::nullopt;
  std::string bytes;
  const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with("=") ? 1 : 0;
  std::uint32_t buffer = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const int bits = i < text.size() - padding ? bits_of(text[i]) : 0;
    if (bits < 0) return std::nullopt;
    buffer = (buffer << 6) | static_cast<std::uint32_t>(bits);
    if (i % 4 == 3)
      for (const int shift : {16, 8, 0}) bytes.push_back(static_cast<char>(buffer >> shift));
  }
  bytes.resize(bytes.size() - padding);
  return bytes;
}

// The tokens that `bytes` become by the merges so far, each given by its id.
std::vector<std::uint32_t> merge_all(std::string_view bytes, const FlatMap& merged,
                                     const std::array<std::int32_t, 256>& byte_ids) {
  std::vector<std::uint32_t> parts;
  for (const char byte : bytes)
    parts.push_back(static_cast<std::uint32_t>(byte_ids[static_cast<unsigned char>(byte)]));
  while (parts.size() > 1) {
    std::uint32_t first = FlatMap::kNone;
    std::size_t at = 0;
    for (std::size_t i = 0; i + 1 < parts.size(); ++i)
      if (const std::uint32_t id = merged.find(parts[i], parts[i + 1]); id < first) {
        first = id;
        at = i;
      }
    if (first == FlatMap::kNone) break;
    parts[at] = first;
    parts.erase(parts.begin() + static_cast<long>(at) + 1);
  }
  return parts;
}

struct TokenLine {
  std::string bytes;
  std::uint32_t id;
};

TokenLine parse_token_line(std::string_view line, const EntryPlace& place) {
  const std::size_t space = line.find(' ');
  const auto bytes = from_base64(line.substr(0, space));
  const std::string_view number = space == line.npos ? "" : line.substr(space + 1);
  TokenLine token{bytes.value_or(""), 0};
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), token.id);
  if (!bytes || number.empty() || error != std::errc() || end != number.data() + number.size())
    throw InputError(place.text() + ": expected a token in base64 and its id");
  return token;
}

std::vector<TokenLine> parse_token_lines(std::string_view text, const std::string& origin,
                                         VocabularyBuilder& builder) {
  std::vector<TokenLine> tokens;
  for_each_line(text, [&](std::string_view line, std::int64_t number) {
    const EntryPlace place{origin, "line", number};
    tokens.push_back(parse_token_line(line, place));
    builder.add_token(tokens.back().bytes, tokens.back().id, place);
  });
  return tokens;
}

}  // namespace

BpeVocabulary parse_tiktoken_vocabulary(std::string_view text, const std::string& origin) {
  VocabularyBuilder builder;
  std::vector<TokenLine> tokens = parse_token_lines(text, origin, builder);
  const std::array<std::int32_t, 256> byte_ids = builder.byte_ids(origin);
  std::erase_if(tokens, [](const TokenLine& token) { return token.bytes.size() == 1; });
  std::sort(tokens.begin(), tokens.end(),
            [](const TokenLine& a, const TokenLine& b) { return a.id < b.id; });
  FlatMap merged;
  for (const auto& [bytes, id] : tokens) {
    const std::vector<std::uint32_t> parts = merge_all(bytes, merged, byte_ids);
    if (parts.size() != 2)
      throw InputError(concat(origin, ": token ", id, ", ", shown_token(bytes), ", is made of ",
                              parts.size(), " earlier ones; expected a BPE vocabulary, two each"));
    merged.insert(parts[0], parts[1], id);
    builder.add_merge_in_order(static_cast<std::int32_t>(parts[0]),
                               static_cast<std::int32_t>(parts[1]), static_cast<std::int32_t>(id),
                               {origin, "token", id});
  }
  builder.add_end_of_text(origin);
  return builder.finish(origin, {.all_bytes = true, .check_pattern = true});
}

}  // namespace gpt
