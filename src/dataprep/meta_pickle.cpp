#include "meta_pickle.h"

#include <algorithm>
#include <string>
#include <vector>

#include "gpt/base/error.h"
#include "gpt/base/strings.h"
#include "gpt/formats/unpickler.h"
#include "gpt/text/utf8.h"

namespace gpt {

namespace {

// The dict's pairs of token and character as a list by token.
std::u32string characters_of(const PickleDict& itos, const std::string& where) {
  std::u32string characters(itos.items.size(), U'\0');
  std::vector<bool> seen(itos.items.size(), false);
  for (const auto& [key, value] : itos.items) {
    const std::int64_t token = integer_of(*key, where);
    const std::u32string text = from_utf8(text_of(*value, concat(where, "[", token, "]")));
    if (token < 0 || token >= static_cast<std::int64_t>(characters.size()))
      throw InputError(
          concat(where, ": expected the tokens 0 to ", characters.size() - 1, ", found ", token));
    if (text.size() != 1)
      throw InputError(
          concat(where, "[", token, "]: expected a text of one character, found ", text.size()));
    characters[static_cast<std::size_t>(token)] = text[0];
    seen[static_cast<std::size_t>(token)] = true;
  }
  for (std::size_t token = 0; token < seen.size(); ++token)
    if (!seen[token]) throw InputError(concat(where, ": token ", token, " is missing"));
  return characters;
}

}  // namespace

CharTokenizer read_meta_pickle(const std::filesystem::path& path) {
  const std::string origin = path.string();
  const PickleTree tree = read_pickle(path);
  const std::string where = origin + ": itos";
  const std::u32string characters =
      characters_of(dict_of(member_of(tree.root(), "itos", origin), where), where);
  if (characters.empty() || characters.size() > CharTokenizer::kMaxVocabulary)
    throw InputError(concat(where, ": expected 1 to ", CharTokenizer::kMaxVocabulary,
                            " characters, found ", characters.size()));
  const std::int64_t size =
      integer_of(member_of(tree.root(), "vocab_size", origin), origin + ": vocab_size");
  if (size != static_cast<std::int64_t>(characters.size()))
    throw InputError(concat(origin, ": vocab_size: expected ", characters.size(),
                            ", the entries of itos, found ", size));
  std::u32string sorted = characters;
  std::sort(sorted.begin(), sorted.end());
  if (std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end())
    throw InputError(concat(where, ": holds a character twice"));
  return CharTokenizer(characters);
}

}  // namespace gpt
