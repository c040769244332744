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

constexpr char kDoesNotCount = 0, kCounts = 1;  // of a token as a target, in a mask

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

bool ends_in_answer(const DocumentPart& part) {
  return !part.answers.empty() && part.answers.back().end == part.text.size();
}

// Adds the ids of a part, and what each counts. Prompts and answers are tokenized each by itself,
// as a prompt is when the model is asked: so no token is of both. Returns the ill-formed sequences.
std::int64_t append_part(const DocumentPart& part, const std::string& origin,
                         const Tokenizer& tokenizer, const EncodingRules& rules,
                         std::vector<std::int32_t>& ids, std::string& mask) {
  std::int64_t invalid = 0;
  bool continues = !part.begins;
  std::size_t at = 0;
  const auto append = [&](std::size_t end, char counts) {
    if (end == at && !part.answers.empty()) return;
    invalid += tokenizer.append_ids(part.text.substr(at, end - at), origin, ids,
                                    {.added_tokens = rules.added_tokens, .continues = continues});
    mask.resize(ids.size(), counts);
    continues = true;
    at = end;
  };
  for (const TextSpan& answer : part.answers) {
    append(answer.begin, kDoesNotCount);
    append(answer.end, kCounts);
  }
  append(part.text.size(), kDoesNotCount);
  return invalid;
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
  std::string mask;  // a byte for each id
  out.bad_rows = for_each_part(chunk, rules.documents, [&](const DocumentPart& part) {
    const auto side = rules.split.is_val(part.document) ? EncodedChunk::kVal : EncodedChunk::kTrain;
    ids.clear();
    mask.clear();
    if (part.begins) ++out.documents[side];
    if (part.begins && rules.eot == EotPlace::kPrepend) ids.push_back(*tokenizer.end_of_text());
    const bool answered = ends_in_answer(part);
    mask.resize(ids.size(), answered ? kCounts : kDoesNotCount);
    std::int64_t invalid =
        part.invalid + append_part(part, chunk.text.name, tokenizer, rules, ids, mask);
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
    if (!rules.documents.rows.has_answers()) return;
    mask.resize(ids.size(), answered ? kCounts : kDoesNotCount);  // <|endoftext|>
    out.masks[side] += mask;
    out.counted[side] += std::count(mask.begin(), mask.end(), kCounts);
  });
  out.after = chunk.after;
  out.finished = chunk.finished;
  out.disk_bytes = chunk.disk_bytes;
  return out;
}

}  // namespace gpt
