// A byte-level BPE vocabulary of one's own, from the words of a text: with the merges that Hugging
// Face's BpeTrainer finds.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "gpt/text/bpe_vocabulary.h"

namespace gpt {

// How often each word (a piece of GPT-2's pattern) occurs.
class WordCounts {
 public:
  void add_text(std::string_view text);
  void add(const WordCounts& more);

  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view word) const {
      return std::hash<std::string_view>()(word);
    }
  };
  using Map = std::unordered_map<std::string, std::int64_t, Hash, std::equal_to<>>;
  const Map& words() const { return words_; }

  // The longest prefix of a text whose words are the same whatever follows; 0: none.
  static std::size_t safe_cut(std::string_view text);

 private:
  Map words_;
};

struct BpeTrainerOptions {
  std::int64_t vocab_size = 50257;  // with the 256 bytes and <|endoftext|>
  std::int64_t min_frequency = 0;   // a pair that occurs less often is not merged
  std::function<bool(std::int64_t tokens)> progress = {};  // false: stop
};

// Numbered as GPT-2's: the bytes, what the merges make in their order, <|endoftext|>. Each merge
// joins the most frequent pair there is then, of equal ones the one whose left, then right token
// has the smaller id. Fewer tokens than asked for where no pair is left. Nothing if it was stopped.
std::optional<BpeVocabulary> train_bpe(const WordCounts& words, const BpeTrainerOptions& options);

}  // namespace gpt
