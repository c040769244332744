#include "gpt/text/bpe_tokenizer.h"

#include <mutex>

#include "gpt/text/utf8.h"

#include "added_tokens.h"
#include "bpe_encoder.h"
#include "piece_scanner.h"
#include "word_cache.h"

namespace gpt {

namespace {

// One thread's encoder: the shared tables, and a memory of its own.
class TextEncoder {
 public:
  TextEncoder(const BpeEncoder& pieces, const PreTokenizer& pre_tokenizer)
      : pieces_(pieces), pre_tokenizer_(pre_tokenizer) {}

  // Appends the ids; returns the number of ill-formed sequences. `continues`: no space goes before
  // the text.
  std::int64_t encode(std::string_view text, bool continues, std::vector<std::int32_t>& ids) {
    if (pre_tokenizer_.is_plain()) return encode_words(text, ids);
    std::int64_t invalid = 0;
    for (const std::string_view part : split_text(text, pre_tokenizer_.splits)) {
      const bool add_space = pre_tokenizer_.add_prefix_space && part[0] != ' ' && !continues;
      continues = false;
      if (add_space) spaced_.assign(" ").append(part);
      invalid += encode_part(add_space ? std::string_view(spaced_) : part, ids);
    }
    return invalid;
  }

 private:
  std::int64_t encode_part(std::string_view part, std::vector<std::int32_t>& ids) {
    if (pre_tokenizer_.use_pattern) return encode_words(part, ids);
    append_piece(part, ids);
    Utf8Decoder decoder;
    std::u32string characters;
    decoder.decode(part, characters);
    decoder.finish(characters);
    return decoder.invalid_count();
  }

  std::int64_t encode_words(std::string_view text, std::vector<std::int32_t>& ids) {
    PieceScanner scanner(text);
    const char* const end = text.data() + text.size();
    for (const char* piece = text.data(); piece != end;) {
      const char* const next = scanner.next(piece);
      const auto length = static_cast<std::size_t>(next - piece);
      if (length <= WordKey::kMaxLength && end - piece >= 16)
        append_word(piece, length, ids);
      else
        append_piece({piece, length}, ids);
      piece = next;
    }
    flush(ids);
    return scanner.invalid_count();
  }

  static constexpr std::size_t kBuffer = 1024;

  // Always stores all ids that a word could have: cheaper than to ask how many there are.
  void append_word(const char* word, std::size_t length, std::vector<std::int32_t>& ids) {
    const WordKey key = WordKey::of(word, length);
    const WordCache::Entry* entry = cache_.find(key);
    if (!entry) {
      const std::size_t first = append_piece({word, length}, ids);
      if (ids.size() - first <= WordCache::kMaxIds)
        cache_.insert(key, std::span(ids).subspan(first));
      return;
    }
    std::copy(entry->ids.begin(), entry->ids.end(), buffer_.begin() + static_cast<long>(buffered_));
    buffered_ += entry->count;
    if (buffered_ >= kBuffer) flush(ids);
  }

  // Returns where in `ids` the piece's first one is.
  std::size_t append_piece(std::string_view piece, std::vector<std::int32_t>& ids) {
    flush(ids);
    const std::size_t first = ids.size();
    pieces_.encode(piece, scratch_, ids);
    return first;
  }

  void flush(std::vector<std::int32_t>& ids) {
    ids.insert(ids.end(), buffer_.begin(), buffer_.begin() + static_cast<long>(buffered_));
    buffered_ = 0;
  }

  const BpeEncoder& pieces_;
  const PreTokenizer& pre_tokenizer_;
  BpeEncoder::Scratch scratch_;
  std::string spaced_;  // a part and the space before it
  WordCache cache_;
  std::array<std::int32_t, kBuffer + WordCache::kMaxIds> buffer_;
  std::size_t buffered_ = 0;
};

}  // namespace

// Encoders at rest, so that every thread gets one to itself for the length of a call.
class BpeTokenizer::Encoders {
 public:
  explicit Encoders(const BpeVocabulary& vocabulary)
      : pieces_(make_bpe_encoder(vocabulary)), pre_tokenizer_(vocabulary.pre_tokenizer) {}

  class Lease {
   public:
    explicit Lease(Encoders& all) : all_(all), encoder_(all.take()) {}
    ~Lease() { all_.give_back(std::move(encoder_)); }
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    TextEncoder* operator->() { return encoder_.get(); }

   private:
    Encoders& all_;
    std::unique_ptr<TextEncoder> encoder_;
  };

 private:
  std::unique_ptr<TextEncoder> take() {
    const std::scoped_lock lock(mutex_);
    if (idle_.empty()) return std::make_unique<TextEncoder>(*pieces_, pre_tokenizer_);
    auto encoder = std::move(idle_.back());
    idle_.pop_back();
    return encoder;
  }
  void give_back(std::unique_ptr<TextEncoder> encoder) {
    const std::scoped_lock lock(mutex_);
    idle_.push_back(std::move(encoder));
  }

  const std::unique_ptr<const BpeEncoder> pieces_;
  const PreTokenizer pre_tokenizer_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<TextEncoder>> idle_;
};

// Where a text may be cut.
class BpeTokenizer::Cuts {
 public:
  explicit Cuts(const PreTokenizer& pre_tokenizer) : pre_tokenizer_(pre_tokenizer) {
    for (const SplitStep& step : pre_tokenizer.splits) {
      texts_.add(step.text, 0);
      if (step.pattern != SplitStep::Pattern::kGpt2) continue;
      // Its pieces are parts: behind a cut there would have to be a space all the same.
      if (pre_tokenizer.add_prefix_space) return;
      has_pattern_ = has_pattern_ || step.behavior != SplitStep::Behavior::kContiguous;
    }
    has_pattern_ = has_pattern_ || pre_tokenizer.use_pattern;
  }

  // `added`: the tokens that are looked for, or nothing.
  std::size_t last(std::string_view text, const AddedTokens* added) const {
    if (!has_pattern_) return 0;
    std::size_t cut = last_sure_boundary(text);
    while (cut > 0 && (hinders(text, cut) || (added && added->touches(text, cut))))
      cut = last_sure_boundary(text.substr(0, cut));
    return cut;
  }

 private:
  bool hinders(std::string_view text, std::size_t cut) const {
    for (const SplitStep& step : pre_tokenizer_.splits)
      if (may_touch(step, text, cut)) return true;
    return texts_.touches(text, cut);
  }

  const PreTokenizer pre_tokenizer_;
  TextMatcher texts_;
  bool has_pattern_ = false;
};

BpeTokenizer::BpeTokenizer(BpeVocabulary vocabulary)
    : vocabulary_(std::move(vocabulary)),
      name_(vocabulary_.is_gpt2() ? "gpt2" : "bpe"),
      encoders_(std::make_unique<Encoders>(vocabulary_)),
      added_(std::make_unique<AddedTokens>(vocabulary_.added)),
      cuts_(std::make_unique<Cuts>(vocabulary_.pre_tokenizer)) {}

BpeTokenizer::~BpeTokenizer() = default;

std::int64_t BpeTokenizer::append_ids(std::string_view text, const std::string&,
                                      std::vector<std::int32_t>& ids,
                                      const EncodeOptions& options) const {
  Encoders::Lease encoder(*encoders_);
  std::int64_t invalid = 0;
  bool continues = options.continues;
  const auto on_text = [&](std::string_view part) {
    invalid += encoder->encode(part, continues, ids);
    continues = false;
  };
  const auto on_token = [&](std::int32_t id) {
    ids.push_back(id);
    continues = false;
  };
  if (options.added_tokens)
    added_->for_each(text, on_text, on_token);
  else
    on_text(text);
  return invalid;
}

void BpeTokenizer::append_text(std::int64_t id, std::string& bytes) const {
  if (id < 0 || id >= vocab_size())
    append_utf8(kReplacement, bytes);
  else
    bytes += vocabulary_.tokens[static_cast<std::size_t>(id)];
}

std::size_t BpeTokenizer::safe_cut(std::string_view text, const EncodeOptions& options) const {
  return cuts_->last(text, options.added_tokens ? added_.get() : nullptr);
}

bool BpeTokenizer::restores_text() const {
  return vocabulary_.pre_tokenizer.keeps_text() && vocabulary_.missing_bytes() == 0;
}

Tokenizer::AddedTokensFound BpeTokenizer::find_added_tokens(std::string_view text) const {
  return added_->find(text);
}

}  // namespace gpt
