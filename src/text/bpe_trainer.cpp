#include "gpt/text/bpe_trainer.h"

#include <algorithm>
#include <unordered_set>
#include <utility>
#include <vector>

#include "gpt/text/tokenizer.h"

#include "byte_alphabet.h"
#include "piece_scanner.h"

namespace gpt {

namespace {

using Pair = std::uint64_t;  // left id, right id

Pair pair_of(std::int32_t left, std::int32_t right) {
  return static_cast<Pair>(static_cast<std::uint32_t>(left)) << 32 |
         static_cast<Pair>(static_cast<std::uint32_t>(right));
}
std::int32_t left_of(Pair pair) {
  return static_cast<std::int32_t>(pair >> 32);
}
std::int32_t right_of(Pair pair) {
  return static_cast<std::int32_t>(pair & 0xFFFFFFFFu);
}

// A pair that waits for its turn: how often it occurred when it was put in, and in which words.
struct Candidate {
  std::int64_t count;
  Pair pair;
  std::vector<std::uint32_t> words;

  bool operator<(const Candidate& other) const {
    return count != other.count ? count < other.count : pair > other.pair;
  }
};

// A heap that gives its largest element away.
class Candidates {
 public:
  bool empty() const { return heap_.empty(); }
  void push(Candidate candidate) {
    heap_.push_back(std::move(candidate));
    std::push_heap(heap_.begin(), heap_.end());
  }
  Candidate pop() {
    std::pop_heap(heap_.begin(), heap_.end());
    Candidate top = std::move(heap_.back());
    heap_.pop_back();
    return top;
  }

 private:
  std::vector<Candidate> heap_;
};

// Follows Hugging Face's trainer step by step, also where that shows: the count of a pair that was
// merged stays as it is, so a pair that comes up again in other words is merged again.
class Trainer {
 public:
  Trainer(const WordCounts& words, const BpeTrainerOptions& options) : options_(options) {
    add_bytes();
    add_words(words);
    count_pairs();
  }

  // False if it was stopped.
  bool run() {
    while (std::ssize(vocabulary_.tokens) + 1 < options_.vocab_size && !candidates_.empty()) {
      Candidate top = candidates_.pop();
      const std::int64_t count = pair_counts_[top.pair];
      if (top.count != count) {
        top.count = count;
        candidates_.push(std::move(top));
        continue;
      }
      if (count < 1 || count < options_.min_frequency) break;
      merge(top);
      if (options_.progress && !options_.progress(std::ssize(vocabulary_.tokens))) return false;
    }
    return true;
  }

  BpeVocabulary finish() {
    keep_last_of_each_pair();
    AddedToken end{.content = std::string(Tokenizer::kEndOfText),
                   .id = static_cast<std::int32_t>(vocabulary_.tokens.size())};
    vocabulary_.tokens.push_back(end.content);
    vocabulary_.end_of_text = end.id;
    vocabulary_.added.push_back(std::move(end));
    return std::move(vocabulary_);
  }

 private:
  struct Word {
    std::size_t begin;
    std::uint32_t length;
    std::int64_t count;
  };

  void add_bytes() {
    for (const unsigned char byte : alphabet_order()) {
      const auto id = static_cast<std::int32_t>(vocabulary_.tokens.size());
      vocabulary_.byte_ids[byte] = id;
      vocabulary_.tokens.emplace_back(1, static_cast<char>(byte));
      ids_.emplace(vocabulary_.tokens.back(), id);
    }
  }

  void add_words(const WordCounts& words) {
    std::size_t bytes = 0;
    for (const auto& [word, count] : words.words()) bytes += word.size();
    symbols_.reserve(bytes);
    words_.reserve(words.words().size());
    for (const auto& [word, count] : words.words()) {
      words_.push_back({symbols_.size(), static_cast<std::uint32_t>(word.size()), count});
      for (const char byte : word)
        symbols_.push_back(vocabulary_.byte_ids[static_cast<unsigned char>(byte)]);
    }
  }

  void count_pairs() {
    for (std::size_t w = 0; w < words_.size(); ++w) {
      const Word& word = words_[w];
      for (std::size_t i = word.begin; i + 1 < word.begin + word.length; ++i)
        change(pair_of(symbols_[i], symbols_[i + 1]), word.count, w);
    }
    queue_changed();
  }

  void change(Pair pair, std::int64_t count, std::size_t word) {
    pair_counts_[pair] += count;
    if (count < 0) return;
    std::vector<std::uint32_t>& places = changed_[pair];
    if (places.empty() || places.back() != word) places.push_back(static_cast<std::uint32_t>(word));
  }

  void queue_changed() {
    for (auto& [pair, places] : changed_)
      if (const std::int64_t count = pair_counts_[pair]; count > 0)
        candidates_.push({count, pair, std::move(places)});
    changed_.clear();
  }

  void merge(const Candidate& top) {
    const std::int32_t left = left_of(top.pair), right = right_of(top.pair);
    std::string token = vocabulary_.tokens[static_cast<std::size_t>(left)] +
                        vocabulary_.tokens[static_cast<std::size_t>(right)];
    const auto next = static_cast<std::int32_t>(vocabulary_.tokens.size());
    const auto [known, fresh] = ids_.emplace(token, next);
    if (fresh) vocabulary_.tokens.push_back(std::move(token));
    vocabulary_.merges.push_back({left, right, known->second});
    for (const std::uint32_t word : top.words) merge_in(word, left, right, known->second);
    queue_changed();
  }

  void merge_in(std::size_t w, std::int32_t left, std::int32_t right, std::int32_t merged) {
    Word& word = words_[w];
    std::int32_t* const symbols = symbols_.data() + word.begin;
    std::uint32_t to = 0;
    for (std::uint32_t from = 0; from < word.length; ++from, ++to) {
      symbols[to] = symbols[from];
      const bool here =
          from + 1 < word.length && symbols[from] == left && symbols[from + 1] == right;
      if (!here) continue;
      if (to > 0) {
        change(pair_of(symbols[to - 1], left), -word.count, w);
        change(pair_of(symbols[to - 1], merged), word.count, w);
      }
      symbols[to] = merged;
      ++from;
      if (from + 1 < word.length) {
        change(pair_of(right, symbols[from + 1]), -word.count, w);
        change(pair_of(merged, symbols[from + 1]), word.count, w);
      }
    }
    word.length = to;
  }

  void keep_last_of_each_pair() {
    std::unordered_set<Pair> later;
    std::vector<BpeVocabulary::Merge> kept;
    for (auto merge = vocabulary_.merges.rbegin(); merge != vocabulary_.merges.rend(); ++merge)
      if (later.insert(pair_of(merge->left, merge->right)).second) kept.push_back(*merge);
    vocabulary_.merges.assign(kept.rbegin(), kept.rend());
  }

  const BpeTrainerOptions& options_;
  BpeVocabulary vocabulary_;
  std::unordered_map<std::string, std::int32_t> ids_;
  std::vector<std::int32_t> symbols_;  // of all words, one after the other
  std::vector<Word> words_;
  std::unordered_map<Pair, std::int64_t> pair_counts_;
  std::unordered_map<Pair, std::vector<std::uint32_t>> changed_;  // where pairs have just come up
  Candidates candidates_;
};

}  // namespace

void WordCounts::add_text(std::string_view text) {
  PieceScanner scanner(text);
  const char* const end = text.data() + text.size();
  for (const char* piece = text.data(); piece != end;) {
    const char* const next = scanner.next(piece);
    const std::string_view word(piece, static_cast<std::size_t>(next - piece));
    if (const auto known = words_.find(word); known != words_.end())
      ++known->second;
    else
      words_.emplace(word, 1);
    piece = next;
  }
}

void WordCounts::add(const WordCounts& more) {
  for (const auto& [word, count] : more.words_) words_[word] += count;
}

std::size_t WordCounts::safe_cut(std::string_view text) {
  return last_sure_boundary(text);
}

std::optional<BpeVocabulary> train_bpe(const WordCounts& words, const BpeTrainerOptions& options) {
  Trainer trainer(words, options);
  if (!trainer.run()) return std::nullopt;
  return trainer.finish();
}

}  // namespace gpt
