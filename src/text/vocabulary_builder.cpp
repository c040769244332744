#include "vocabulary_builder.h"

#include <algorithm>

#include "gpt/base/error.h"
#include "gpt/base/strings.h"
#include "gpt/text/tokenizer.h"
#include "gpt/text/utf8.h"

#include "byte_alphabet.h"
#include "piece_scanner.h"

namespace gpt {

namespace {

// Far above any vocabulary in use; a wrong id must not become a request for memory.
constexpr std::int64_t kMaxTokens = 1 << 21;

// Whether GPT-2's pattern would never leave these bytes in one piece. Only ASCII is judged: a token
// may be a part of a character. What starts with an apostrophe may be a part of "'ll" and its like.
bool crosses_pieces(std::string_view token) {
  const auto is_ascii = [](char c) { return static_cast<unsigned char>(c) < 0x80; };
  if (token[0] == '\'' || !std::all_of(token.begin(), token.end(), is_ascii)) return false;
  return PieceScanner(token).next(token.data()) != token.data() + token.size();
}

}  // namespace

std::string shown_token(std::string_view bytes) {
  constexpr std::size_t kLongest = 40;
  return "'" + to_utf8(letters_of_bytes(bytes.substr(0, kLongest))) +
         (bytes.size() > kLongest ? "...'" : "'");
}

std::string EntryPlace::text() const {
  return concat(file, ": ", unit, " ", number);
}

void VocabularyBuilder::enter(const std::string& bytes, std::int64_t id, const EntryPlace& place) {
  if (id < 0 || id >= kMaxTokens)
    throw InputError(
        concat(place.text(), ": id ", id, ": expected one from 0 to ", kMaxTokens - 1));
  const auto index = static_cast<std::size_t>(id);
  if (index >= present_.size()) {
    present_.resize(index + 1, false);
    made_.resize(index + 1, false);
    vocabulary_.tokens.resize(index + 1);
  }
  if (present_[index])
    throw InputError(concat(place.text(), ": id ", id, " is already that of ",
                            shown_token(vocabulary_.tokens[index])));
  present_[index] = true;
  vocabulary_.tokens[index] = bytes;
}

void VocabularyBuilder::add_token(std::string bytes, std::int64_t id, const EntryPlace& place) {
  if (bytes.empty()) throw InputError(place.text() + ": a token without bytes");
  enter(bytes, id, place);
  const auto [entry, fresh] = id_of_.emplace(std::move(bytes), static_cast<std::int32_t>(id));
  if (!fresh)
    throw InputError(concat(place.text(), ": ", shown_token(entry->first),
                            " is already there, as token ", entry->second));
}

void VocabularyBuilder::add_special(const std::string& name, std::int64_t id,
                                    const EntryPlace& place) {
  enter(name, id, place);
  if (name == Tokenizer::kEndOfText) vocabulary_.end_of_text = static_cast<std::int32_t>(id);
}

void VocabularyBuilder::add_end_of_text(const std::string& file) {
  const auto free = std::find(present_.begin(), present_.end(), false) - present_.begin();
  add_special(std::string(Tokenizer::kEndOfText), free, {file, "token", free});
}

std::int32_t VocabularyBuilder::id_of(const std::string& bytes, const EntryPlace& place) const {
  const auto found = id_of_.find(bytes);
  if (found == id_of_.end())
    throw InputError(concat(place.text(), ": ", shown_token(bytes), " is not in the vocabulary"));
  return found->second;
}

bool VocabularyBuilder::is_made(std::int32_t id) const {
  const auto index = static_cast<std::size_t>(id);
  return made_[index] || vocabulary_.tokens[index].size() == 1;
}

std::string VocabularyBuilder::shown(std::int32_t id) const {
  return shown_token(vocabulary_.tokens[static_cast<std::size_t>(id)]);
}

void VocabularyBuilder::add_merge(const std::string& left, const std::string& right,
                                  const EntryPlace& place) {
  add_merge(id_of(left, place), id_of(right, place), id_of(left + right, place), place);
}

void VocabularyBuilder::add_merge(std::int32_t left, std::int32_t right, std::int32_t merged,
                                  const EntryPlace& place) {
  for (const std::int32_t part : {left, right})
    if (!is_made(part))
      throw InputError(concat(place.text(), ": no earlier merge makes ", shown(part)));
  if (is_made(merged))
    throw InputError(concat(place.text(), ": an earlier merge makes ", shown(merged)));
  made_[static_cast<std::size_t>(merged)] = true;
  vocabulary_.merges.push_back({left, right, merged});
}

std::array<std::int32_t, 256> VocabularyBuilder::byte_ids(const std::string& file) const {
  std::array<std::int32_t, 256> ids;
  for (std::size_t byte = 0; byte < 256; ++byte) {
    const auto found = id_of_.find(std::string(1, static_cast<char>(byte)));
    if (found == id_of_.end())
      throw InputError(
          concat(file, ": byte ", byte, " has no token; expected a byte-level BPE vocabulary"));
    ids[byte] = found->second;
  }
  return ids;
}

BpeVocabulary VocabularyBuilder::finish(const std::string& file) {
  const auto missing = std::find(present_.begin(), present_.end(), false);
  if (missing != present_.end())
    throw InputError(concat(file, ": no token has id ", missing - present_.begin(),
                            ", but one has id ", present_.size() - 1, "; is the file cut?"));
  vocabulary_.byte_ids = byte_ids(file);
  for (const BpeVocabulary::Merge& merge : vocabulary_.merges)
    if (crosses_pieces(vocabulary_.tokens[static_cast<std::size_t>(merge.merged)]))
      throw InputError(concat(file, ": token ", merge.merged, ", ", shown(merge.merged),
                              ", is made for another pattern than GPT-2's"));
  return std::move(vocabulary_);
}

}  // namespace gpt
