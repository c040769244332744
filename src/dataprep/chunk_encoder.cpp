#include "gpt/dataprep/chunk_encoder.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <vector>

#include "gpt/base/strings.h"
#include "gpt/text/utf8.h"

namespace gpt {

namespace {

constexpr std::string_view kReplacementUtf8 = "\xEF\xBF\xBD";

static_assert(std::endian::native == std::endian::little, "token files are little-endian");

template <class T>
void append_as(std::span<const std::int32_t> ids, std::string& bytes) {
  const std::size_t before = bytes.size();
  bytes.resize(before + ids.size() * sizeof(T));
  char* to = bytes.data() + before;
  for (const std::int32_t id : ids) {
    const T token = static_cast<T>(id);
    std::memcpy(to, &token, sizeof token);
    to += sizeof token;
  }
}

std::int64_t replacements_in(std::string_view text) {
  std::int64_t count = 0;
  for (std::size_t at = 0; (at = text.find(kReplacementUtf8, at)) != text.npos; ++at) ++count;
  return count;
}

// The line of the first ill-formed sequence of a part, and its bytes.
std::string invalid_place(const TextChunk& chunk, const DocumentPart& part) {
  std::size_t at = 0;
  Utf8Sequence sequence{.code = 0, .length = 0, .valid = true};
  for (; at < part.text.size(); at += sequence.length) {
    sequence = first_sequence(part.text.substr(at));
    if (!sequence.valid || (chunk.text.decoded && sequence.code == kReplacement)) break;
  }
  const bool whole = chunk.text.layout == Layout::kWhole;
  const auto end = part.text.begin() + static_cast<std::ptrdiff_t>(std::min(at, part.text.size()));
  const std::int64_t lines = whole ? std::count(part.text.begin(), end, '\n') : 0;
  const std::string place = place_in(chunk.text, part.line + lines);
  if (part.invalid > 0 && at >= part.text.size()) return place + " (half of a surrogate pair)";
  if (at >= part.text.size() || sequence.valid) return place;
  return concat(place, format(" (byte 0x%02X)", static_cast<unsigned char>(part.text[at])));
}

void add_found(Tokenizer::AddedTokensFound more, Tokenizer::AddedTokensFound& all) {
  if (all.count == 0) all.first = std::move(more.first);
  all.count += more.count;
}

}  // namespace

std::int64_t characters_of(const Tokenizer& tokenizer, std::span<const std::int32_t> ids) {
  std::int64_t characters = 0;
  std::string bytes;
  for (const std::int32_t id : ids) {
    if (id == tokenizer.end_of_text()) continue;
    bytes.clear();
    tokenizer.append_text(id, bytes);
    characters += count_characters(bytes);
  }
  return characters;
}

void append_token_bytes(std::span<const std::int32_t> ids, std::int64_t token_bytes,
                        std::string& bytes) {
  if (token_bytes == 2)
    append_as<std::uint16_t>(ids, bytes);
  else
    append_as<std::uint32_t>(ids, bytes);
}

std::int32_t token_at(std::string_view bytes, std::int64_t token_bytes, std::size_t index) {
  std::uint32_t token = 0;  // little-endian: the bytes that are missing are zero
  const auto width = static_cast<std::size_t>(token_bytes);
  std::memcpy(&token, bytes.data() + index * width, width);
  return static_cast<std::int32_t>(token);
}

EncodedChunk encode_chunk(const TextChunk& chunk, const Tokenizer& tokenizer,
                          const EncodingRules& rules) {
  EncodedChunk out;
  std::vector<std::int32_t> ids;
  out.bad_rows = for_each_part(chunk, rules.documents, [&](const DocumentPart& part) {
    const auto side = rules.split.is_val(part.document) ? EncodedChunk::kVal : EncodedChunk::kTrain;
    ids.clear();
    if (part.begins) ++out.documents[side];
    if (part.begins && rules.eot == EotPlace::kPrepend) ids.push_back(*tokenizer.end_of_text());
    std::int64_t invalid = part.invalid + tokenizer.append_ids(part.text, chunk.text.name, ids,
                                                               {.added_tokens = rules.added_tokens,
                                                                .continues = !part.begins});
    if (chunk.text.decoded) invalid += replacements_in(part.text);
    if (invalid > 0 && out.first_invalid.empty()) out.first_invalid = invalid_place(chunk, part);
    out.invalid += invalid;
    add_found(tokenizer.find_added_tokens(part.text), out.added_tokens);
    if (part.ends && rules.eot == EotPlace::kAppend) ids.push_back(*tokenizer.end_of_text());
    // What a character tokenizer makes of ill-formed bytes are characters too.
    out.characters += rules.documents.as_one_text  ? static_cast<std::int64_t>(ids.size())
                      : rules.characters_of_tokens ? characters_of(tokenizer, ids)
                                                   : count_characters(part.text);
    append_token_bytes(ids, rules.token_bytes, out.tokens[side]);
  });
  out.after = chunk.after;
  out.finished = chunk.finished;
  out.disk_bytes = chunk.disk_bytes;
  return out;
}

}  // namespace gpt
