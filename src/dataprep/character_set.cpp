#include "gpt/dataprep/character_set.h"

#include <algorithm>
#include <iterator>

#include "gpt/base/error.h"
#include "gpt/base/strings.h"
#include "gpt/text/char_tokenizer.h"
#include "gpt/text/utf8.h"

namespace gpt {

CharacterSet character_set_of(const TextChunk& chunk, const DocumentRules& rules) {
  CharacterSet set;
  std::vector<bool> seen(0x110000, false);
  set.bad_rows = for_each_part(chunk, rules, [&](const DocumentPart& part) {
    const std::u32string text = from_utf8(part.text);
    set.count += static_cast<std::int64_t>(text.size());
    for (const char32_t character : text) {
      if (seen[character]) continue;
      seen[character] = true;
      set.characters.push_back(character);
    }
  });
  std::sort(set.characters.begin(), set.characters.end());
  return set;
}

void add_characters(CharacterSet& all, const CharacterSet& more, const SourceFile& file) {
  std::u32string both;
  std::set_union(all.characters.begin(), all.characters.end(), more.characters.begin(),
                 more.characters.end(), std::back_inserter(both));
  all.characters = std::move(both);
  all.count += more.count;
  all.bad_rows.add(more.bad_rows);
  if (all.characters.size() > CharTokenizer::kMaxVocabulary)
    throw InputError(concat(file.name(), ": the text has more than ", CharTokenizer::kMaxVocabulary,
                            " distinct characters, too many for 16-bit tokens; leave this file "
                            "out"));
}

}  // namespace gpt
