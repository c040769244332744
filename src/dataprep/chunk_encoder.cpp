#include "gpt/dataprep/chunk_encoder.h"

#include <bit>
#include <cstring>
#include <vector>

namespace gpt {

namespace {

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

EncodedChunk encode_chunk(const TextChunk& chunk, const SourceFile& file,
                          const Tokenizer& tokenizer, const EncodingRules& rules) {
  EncodedChunk out;
  const std::string origin = file.name();
  std::vector<std::int32_t> ids;
  for_each_part(chunk, file, rules.documents, [&](const DocumentPart& part) {
    const auto side = rules.split.is_val(part.document) ? EncodedChunk::kVal : EncodedChunk::kTrain;
    ids.clear();
    if (part.begins) ++out.documents[side];
    if (part.begins && rules.eot == EotPlace::kPrepend) ids.push_back(*tokenizer.end_of_text());
    out.invalid += part.invalid + tokenizer.append_ids(part.text, origin, ids,
                                                       {.added_tokens = rules.added_tokens,
                                                        .continues = !part.begins});
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
