#include "nanogpt_meta.h"

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "gpt/base/error.h"
#include "gpt/base/files.h"
#include "gpt/base/strings.h"
#include "gpt/formats/unpickler.h"
#include "gpt/text/char_tokenizer.h"
#include "gpt/text/utf8.h"

namespace gpt {

namespace {

constexpr std::int64_t kLargestVocabulary = 1 << 24, kGpt2 = 50257;
constexpr const char* kWayOut = "; --vocab_size=N trains without this file";

// Numpy's are plain integers by now.
std::optional<std::int64_t> whole_number(const PickleValue* value) {
  const auto* number = value ? value->get_if<std::int64_t>() : nullptr;
  return number ? std::optional(*number) : std::nullopt;
}

void set_piece(std::vector<std::u32string>& pieces, std::int64_t token, const PickleValue* text) {
  const auto* utf8 = text->get_if<std::string>();
  if (!utf8 || token < 0 || token >= static_cast<std::int64_t>(pieces.size())) return;
  pieces[static_cast<std::size_t>(token)] = from_utf8(*utf8);
}

std::size_t entries(const PickleValue* value) {
  if (const auto* list = value ? value->get_if<PickleList>() : nullptr) return list->items.size();
  const auto* dict = value ? value->get_if<PickleDict>() : nullptr;
  return dict ? dict->items.size() : 0;
}

std::size_t count_of_pieces(const PickleValue& meta) {
  return std::max(entries(find(meta, "itos")), entries(find(meta, "stoi")));
}

// What each token reads, as far as the file says; "" for the others.
std::vector<std::u32string> pieces_of(const PickleValue& meta, std::int64_t size) {
  std::vector<std::u32string> pieces(
      std::min(static_cast<std::size_t>(size), count_of_pieces(meta)));
  const PickleValue* itos = find(meta, "itos");
  if (const auto* list = itos ? itos->get_if<PickleList>() : nullptr)
    for (std::size_t i = 0; i < list->items.size(); ++i)
      set_piece(pieces, static_cast<std::int64_t>(i), list->items[i]);
  if (const auto* dict = itos ? itos->get_if<PickleDict>() : nullptr)
    for (const auto& [token, text] : dict->items)
      set_piece(pieces, whole_number(token).value_or(-1), text);
  const PickleValue* stoi = find(meta, "stoi");
  if (const auto* dict = stoi && !itos ? stoi->get_if<PickleDict>() : nullptr)
    for (const auto& [text, token] : dict->items)
      set_piece(pieces, whole_number(token).value_or(-1), text);
  return pieces;
}

// The tokens that are characters, if all of them come first and no character comes again: special
// tokens and padding may follow. Else "".
std::u32string characters_of(const std::vector<std::u32string>& pieces) {
  std::u32string characters;
  std::set<char32_t> known;
  bool ended = false;
  for (const std::u32string& piece : pieces) {
    ended |= piece.size() != 1;
    if (piece.size() != 1) continue;
    if (ended || !known.insert(piece[0]).second) return U"";
    characters += piece[0];
  }
  return characters.size() <= CharTokenizer::kMaxVocabulary ? characters : U"";
}

// {"tokenizer": "tiktoken", "tiktoken_encoding": "gpt2"} and the like.
bool names_gpt2(const PickleValue& meta) {
  for (const char* key : {"tiktoken_encoding", "encoding", "tokenizer", "tokenizer_type"}) {
    const PickleValue* value = find(meta, key);
    const auto* text = value ? value->get_if<std::string>() : nullptr;
    if (text && *text == "gpt2") return true;
  }
  return false;
}

std::int64_t size_of(const PickleValue& meta, const std::string& origin) {
  if (!keyed_items(meta))
    throw InputError(
        concat(origin, ": expected a dict with vocab_size, found ", described(meta), kWayOut));
  const PickleValue* said = find(meta, "vocab_size");
  const std::int64_t size =
      said ? whole_number(said).value_or(0) : static_cast<std::int64_t>(count_of_pieces(meta));
  if (size >= 1 && size <= kLargestVocabulary) return size;
  throw InputError(concat(origin, ": vocab_size: expected an integer from 1 to ",
                          kLargestVocabulary, ", found ", said ? described(*said) : "nothing",
                          kWayOut));
}

PickleTree read_tree(const std::filesystem::path& path) {
  try {
    return read_pickle(path);
  } catch (const InputError& error) {
    throw InputError(std::string(error.what()) + kWayOut);
  }
}

}  // namespace

DatasetMeta read_nanogpt_meta(const std::filesystem::path& path) {
  const PickleTree tree = read_tree(path);
  const std::int64_t size = size_of(tree.root(), path.string());
  DatasetMeta meta;
  meta.origin = path;
  const std::u32string characters = characters_of(pieces_of(tree.root(), size));
  if (!characters.empty()) {
    describe_tokenizer(CharTokenizer(characters), meta);
  } else {
    const bool gpt2 = names_gpt2(tree.root()) && size >= kGpt2;
    meta.tokenizer = gpt2 ? "gpt2" : kUnknownTokenizer;
    meta.vocab_size = gpt2 ? kGpt2 : size;
  }
  meta.json = to_json(meta);  // of the tokenizer, which may have fewer tokens than the model
  meta.vocab_size = size;
  meta.token_bytes = size > 65536 ? 4 : 2;
  return meta;
}

}  // namespace gpt
