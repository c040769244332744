#include "gpt/text/bpe_tokenizer.h"

#include <mutex>

#include "gpt/text/utf8.h"

#include "piece_encoder.h"
#include "piece_scanner.h"
#include "word_cache.h"

namespace gpt {

namespace {

// One thread's encoder: the shared tables, and a memory of its own.
class TextEncoder {
 public:
  explicit TextEncoder(const PieceEncoder& pieces) : pieces_(pieces) {}

  // Appends the ids; returns the number of ill-formed sequences.
  std::int64_t encode(std::string_view text, std::vector<std::int32_t>& ids) {
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

 private:
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

  const PieceEncoder& pieces_;
  PieceEncoder::Scratch scratch_;
  WordCache cache_;
  std::array<std::int32_t, kBuffer + WordCache::kMaxIds> buffer_;
  std::size_t buffered_ = 0;
};

}  // namespace

// Encoders at rest, so that every thread gets one to itself for the length of a call.
class BpeTokenizer::Encoders {
 public:
  explicit Encoders(const BpeVocabulary& vocabulary) : pieces_(vocabulary) {}

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
    if (idle_.empty()) return std::make_unique<TextEncoder>(pieces_);
    auto encoder = std::move(idle_.back());
    idle_.pop_back();
    return encoder;
  }
  void give_back(std::unique_ptr<TextEncoder> encoder) {
    const std::scoped_lock lock(mutex_);
    idle_.push_back(std::move(encoder));
  }

  PieceEncoder pieces_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<TextEncoder>> idle_;
};

BpeTokenizer::BpeTokenizer(BpeVocabulary vocabulary)
    : vocabulary_(std::move(vocabulary)),
      name_(vocabulary_.is_gpt2() ? "gpt2" : "bpe"),
      encoders_(std::make_unique<Encoders>(vocabulary_)) {}

BpeTokenizer::~BpeTokenizer() = default;

std::int64_t BpeTokenizer::append_ids(std::string_view text, const std::string&,
                                      std::vector<std::int32_t>& ids, EndOfText end_of_text) const {
  Encoders::Lease encoder(*encoders_);
  std::int64_t invalid = 0;
  if (end_of_text == EndOfText::kAsToken && vocabulary_.end_of_text)
    for (std::size_t found; (found = text.find(kEndOfText)) != std::string_view::npos;) {
      invalid += encoder->encode(text.substr(0, found), ids);
      ids.push_back(*vocabulary_.end_of_text);
      text.remove_prefix(found + kEndOfText.size());
    }
  return invalid + encoder->encode(text, ids);
}

void BpeTokenizer::append_text(std::int64_t id, std::string& bytes) const {
  if (id < 0 || id >= vocab_size())
    append_utf8(kReplacement, bytes);
  else
    bytes += vocabulary_.tokens[static_cast<std::size_t>(id)];
}

std::size_t BpeTokenizer::safe_cut(std::string_view text) const {
  return last_sure_boundary(text);
}

}  // namespace gpt
