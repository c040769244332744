// Text to token ids and back: what every tokenizer of the program can do. A tokenizer is immutable
// and may be used by several threads at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gpt {

// How a text is taken.
struct EncodeOptions {
  // What the name of an added token inside it means, for example <|endoftext|> or <|user|>: that
  // one token, or else its characters.
  bool added_tokens = false;
  // It continues from another text, which was cut at a safe_cut.
  bool continues = false;
};

class Tokenizer {
 public:
  static constexpr std::string_view kEndOfText = "<|endoftext|>";

  virtual ~Tokenizer() = default;

  // "char", "gpt2", or "bpe" for a byte-level BPE with another vocabulary than GPT-2's.
  virtual std::string_view name() const = 0;
  virtual std::int64_t vocab_size() const = 0;  // ids are 0 to vocab_size() - 1
  virtual std::optional<std::int32_t> end_of_text() const = 0;

  // Appends the ids of a UTF-8 text to `ids` and returns how many ill-formed sequences it held
  // (maximal subparts, as Utf8Decoder counts them). `origin` says in errors what the text is, e.g.
  // "--start". InputError where the vocabulary cannot express the text; never for a BPE, which
  // gives back any bytes as they were.
  virtual std::int64_t append_ids(std::string_view text, const std::string& origin,
                                  std::vector<std::int32_t>& ids,
                                  const EncodeOptions& options = {}) const = 0;

  // Appends the bytes of one token: for a BPE any bytes, perhaps a part of a UTF-8 sequence. An id
  // outside the vocabulary gives U+FFFD: a model's vocabulary may be padded.
  virtual void append_text(std::int64_t id, std::string& bytes) const = 0;

  // The longest prefix that is known to have the same ids whatever follows it, while what follows,
  // encoded as one that continues, has the same ids whatever came before: the place to cut a text
  // that is read in blocks or encoded by several threads. 0: none, read on.
  virtual std::size_t safe_cut(std::string_view text, const EncodeOptions& options = {}) const = 0;

  // Whether the bytes of a text's ids are the text again. Not where a space is put before it or
  // where the vocabulary lacks some bytes.
  virtual bool restores_text() const { return true; }

  // How often the name of an added token occurs in a text, and which one comes first.
  struct AddedTokensFound {
    std::int64_t count = 0;
    std::string first = {};
  };
  virtual AddedTokensFound find_added_tokens(std::string_view) const { return {}; }

  // All ids of a text, in the type that a model takes.
  std::vector<std::int64_t> encode(std::string_view text, const std::string& origin,
                                   const EncodeOptions& options = {}) const {
    std::vector<std::int32_t> ids;
    append_ids(text, origin, ids, options);
    return {ids.begin(), ids.end()};
  }

  // The bytes of a list of ids of any integer type.
  template <class Ids>
  std::string decode(const Ids& ids) const {
    std::string bytes;
    for (const auto id : ids) append_text(id, bytes);
    return bytes;
  }

 protected:
  Tokenizer() = default;
  Tokenizer(const Tokenizer&) = default;
  Tokenizer& operator=(const Tokenizer&) = default;
};

}  // namespace gpt
