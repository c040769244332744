#include "vocabulary_builder.h"

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "gpt/base/error.h"
#include "gpt/base/log.h"
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
  ++entries_;
  const auto [entry, fresh] = id_of_.emplace(std::move(bytes), static_cast<std::int32_t>(id));
  if (!fresh)
    throw InputError(concat(place.text(), ": ", shown_token(entry->first),
                            " is already there, as token ", entry->second));
}

void VocabularyBuilder::add_name(const std::string& name, std::int64_t id,
                                 const EntryPlace& place) {
  enter(name, id, place);
  ++entries_;
  id_of_name_.emplace(name, static_cast<std::int32_t>(id));
}

std::optional<std::int32_t> VocabularyBuilder::find(const std::string& name) const {
  if (const auto found = id_of_name_.find(name); found != id_of_name_.end()) return found->second;
  const auto bytes = bytes_of_letters(name);
  const auto found = bytes ? id_of_.find(*bytes) : id_of_.end();
  return found == id_of_.end() ? std::nullopt : std::optional(found->second);
}

void VocabularyBuilder::add_added(AddedToken token, std::optional<std::int64_t> id,
                                  const std::string& file) {
  if (token.content.empty()) return;
  const auto known = find(token.content);
  if (!known) {
    if (!next_) next_ = entries_;
    const auto index = static_cast<std::size_t>(*next_);
    // With ids left out before, the next one may be another token's, as it is there.
    if (index >= present_.size() || !present_[index])
      enter(token.content, *next_, {file, "added token", *next_});
    id_of_name_.emplace(token.content, static_cast<std::int32_t>(*next_));
    ++*next_;
  }
  token.id = *find(token.content);
  if (id && *id != token.id)
    log_warning(concat(file, ": added token ", shown_token(token.content), ": has id ", token.id,
                       " as in Hugging Face's tokenizers, not ", *id, " as the file says"));
  auto& added = vocabulary_.added;
  token.in_vocabulary = known && std::none_of(added.begin(), added.end(), [&](const auto& other) {
                          return other.content == token.content && !other.in_vocabulary;
                        });
  std::erase_if(added, [&](const AddedToken& other) { return other.content == token.content; });
  added.push_back(std::move(token));
}

void VocabularyBuilder::add_end_of_text(const std::string& file) {
  const std::string name(Tokenizer::kEndOfText);
  if (!find(name)) {
    const auto free = std::find(present_.begin(), present_.end(), false) - present_.begin();
    add_name(name, free, {file, "token", free});
  }
  add_added({.content = name}, std::nullopt, file);
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
  vocabulary_.merges.push_back(
      {id_of(left, place), id_of(right, place), id_of(left + right, place)});
}

void VocabularyBuilder::add_merge_in_order(const std::string& left, const std::string& right,
                                           const EntryPlace& place) {
  add_merge_in_order(id_of(left, place), id_of(right, place), id_of(left + right, place), place);
}

void VocabularyBuilder::add_merge_in_order(std::int32_t left, std::int32_t right,
                                           std::int32_t merged, const EntryPlace& place) {
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

// Some ids may be left out, but a wrong one must not make a vocabulary, and with it a model, huge.
void VocabularyBuilder::check_ids(const std::string& file, bool all) const {
  const auto missing = std::find(present_.begin(), present_.end(), false);
  if (missing == present_.end()) return;
  const auto there = std::count(present_.begin(), present_.end(), true);
  if (all || std::ssize(present_) > 2 * there + 1024)
    throw InputError(concat(file, ": no token has id ", missing - present_.begin(),
                            ", but one has id ", present_.size() - 1, "; is the file cut?"));
}

void VocabularyBuilder::keep_last_of_each_pair() {
  auto& merges = vocabulary_.merges;
  std::unordered_set<std::uint64_t> later;
  std::vector<BpeVocabulary::Merge> kept;
  for (auto merge = merges.rbegin(); merge != merges.rend(); ++merge) {
    const auto pair = static_cast<std::uint64_t>(merge->left) << 32 |
                      static_cast<std::uint64_t>(static_cast<std::uint32_t>(merge->right));
    if (later.insert(pair).second) kept.push_back(*merge);
  }
  merges.assign(kept.rbegin(), kept.rend());
}

// <|endoftext|>, else the one that the tokenizer's configuration names, else one of the names that
// such tokens usually have.
std::optional<std::int32_t> VocabularyBuilder::settled_end_of_text(const std::string& named) const {
  const std::string names[] = {std::string(Tokenizer::kEndOfText),
                               named,
                               "</s>",
                               "<|end_of_text|>",
                               "<eos>",
                               "<|eos|>",
                               "[EOS]",
                               "<|end|>",
                               "<|im_end|>"};
  for (const std::string& name : names)
    if (const auto id = find(name); id && !name.empty()) return id;
  return std::nullopt;
}

BpeVocabulary VocabularyBuilder::finish(const std::string& file, const Rules& rules) {
  check_ids(file, rules.all_bytes);
  vocabulary_.byte_ids.fill(BpeVocabulary::kNoToken);
  for (std::size_t byte = 0; byte < 256; ++byte)
    if (const auto found = id_of_.find(std::string(1, static_cast<char>(byte)));
        found != id_of_.end())
      vocabulary_.byte_ids[byte] = found->second;
  if (rules.all_bytes || vocabulary_.missing_bytes() == 256) byte_ids(file);
  keep_last_of_each_pair();
  vocabulary_.end_of_text = settled_end_of_text(rules.end_of_text);
  if (rules.check_pattern)
    for (const BpeVocabulary::Merge& merge : vocabulary_.merges)
      if (crosses_pieces(vocabulary_.tokens[static_cast<std::size_t>(merge.merged)]))
        throw InputError(concat(file, ": token ", merge.merged, ", ", shown(merge.merged),
                                ", is made for another pattern than GPT-2's; give the "
                                "tokenizer.json, which says how it cuts texts"));
  return std::move(vocabulary_);
}

}  // namespace gpt
