#include "gpt/dataprep/census.h"

#include <algorithm>
#include <iterator>

#include "gpt/base/error.h"
#include "gpt/base/strings.h"
#include "gpt/text/char_tokenizer.h"
#include "gpt/text/utf8.h"

namespace gpt {

Census take_census(const TextUnit& unit, const SourceFile& file, const DocumentRules& rules) {
  Census census;
  std::vector<bool> seen(0x110000, false);
  for_each_part(unit, file, rules, [&](const DocumentPart& part) {
    const std::u32string text = from_utf8(part.text);
    census.count += static_cast<std::int64_t>(text.size());
    for (const char32_t character : text) {
      if (seen[character]) continue;
      seen[character] = true;
      census.characters.push_back(character);
    }
  });
  std::sort(census.characters.begin(), census.characters.end());
  return census;
}

void add_census(Census& all, const Census& more, const SourceFile& file) {
  std::u32string both;
  std::set_union(all.characters.begin(), all.characters.end(), more.characters.begin(),
                 more.characters.end(), std::back_inserter(both));
  all.characters = std::move(both);
  all.count += more.count;
  if (all.characters.size() > CharTokenizer::kMaxVocabulary)
    throw InputError(concat(file.name(), ": the text has more than ", CharTokenizer::kMaxVocabulary,
                            " distinct characters, too many for 16-bit tokens; leave this file "
                            "out"));
}

}  // namespace gpt
