#include "gpt/dataprep/end_split.h"

#include <algorithm>
#include <cerrno>
#include <span>
#include <string>
#include <string_view>

#include "gpt/base/checksum.h"
#include "gpt/base/error.h"
#include "gpt/base/files.h"
#include "gpt/base/input_file.h"
#include "gpt/dataprep/chunk_encoder.h"

namespace gpt {

namespace {

constexpr std::int64_t kMarkDistance = std::int64_t{1} << 20;  // characters

// Gives bytes [begin, end) of a file to `take`, some at a time. Not a map: its pages would count as
// ours, and the file is as large as it likes.
void read_range(const fs::path& path, std::uint64_t begin, std::uint64_t end,
                const std::function<void(std::string_view)>& take) {
  InputFile file(path);
  file.seek(begin);
  std::string chunk(std::size_t{1} << 20, '\0');
  while (begin < end) {
    const auto wanted = std::min<std::uint64_t>(chunk.size(), end - begin);
    const std::size_t got = file.read(chunk.data(), wanted);
    if (got == 0) throw IoError(path.string(), "read", EIO);  // shorter than it was
    take(std::string_view(chunk).substr(0, got));
    begin += got;
  }
}

// Both sides of the cut.
struct EndSplit {
  TrainCut train;
  std::string val_start;      // tokens on disk that val.bin begins with
  std::int64_t val_from = 0;  // which of all tokens come after them
};

// Byte at which character `index` begins.
std::size_t byte_of_character(std::string_view text, std::int64_t index) {
  std::size_t at = 0;
  for (; at < text.size(); ++at) {
    const bool starts = (static_cast<unsigned char>(text[at]) & 0xC0) != 0x80;
    if (starts && index-- == 0) break;
  }
  return at;
}

std::vector<std::int32_t> ids_of(const Tokenizer& tokenizer, std::string_view text) {
  std::vector<std::int32_t> ids;
  tokenizer.append_ids(text, "the text", ids);
  return ids;
}

// Cuts one stretch of text, whose tokens begin at token `first` of all and end before `end`, at a
// character.
EndSplit cut_text(const std::string& text, std::int64_t character, std::int64_t first,
                  std::int64_t end, const Tokenizer& tokenizer, std::int64_t token_bytes) {
  const std::size_t at = byte_of_character(text, character);
  const std::string_view left = std::string_view(text).substr(0, at);
  // Up to here the tokens are the same whatever follows.
  const std::size_t safe = tokenizer.safe_cut(left);
  EndSplit split;
  split.train.keep =
      first + static_cast<std::int64_t>(ids_of(tokenizer, left.substr(0, safe)).size());
  split.train.then = ids_of(tokenizer, left.substr(safe));
  append_token_bytes(ids_of(tokenizer, std::string_view(text).substr(at)), token_bytes,
                     split.val_start);
  split.val_from = end;
  return split;
}

// The first mark behind that many characters; the one before it is in front of them.
std::vector<TextMark>::const_iterator mark_beyond(const std::vector<TextMark>& marks,
                                                  std::int64_t characters) {
  return std::upper_bound(
      marks.begin(), marks.end(), characters,
      [](std::int64_t value, const TextMark& m) { return value < m.characters; });
}

// The same between two tokens, whose text need not be what was read: at the last place before which
// there are no more than `characters`.
EndSplit cut_between_tokens(std::string_view bytes, std::int64_t characters, std::int64_t first,
                            const Tokenizer& tokenizer, std::int64_t token_bytes) {
  const std::size_t count = bytes.size() / static_cast<std::size_t>(token_bytes);
  std::size_t kept = 0;
  for (; kept < count; ++kept) {
    const std::int32_t id = token_at(bytes, token_bytes, kept);
    characters -= characters_of(tokenizer, {&id, 1});
    if (characters < 0) break;
  }
  EndSplit split;
  split.train.keep = split.val_from = first + static_cast<std::int64_t>(kept);
  return split;
}

// Where `all`, a file of all tokens, is to be cut so that training has the first `characters`
// characters.
EndSplit split_at(const fs::path& all, const PrepareState& state, std::int64_t characters,
                  const Tokenizer& tokenizer, bool between_tokens) {
  const auto beyond = mark_beyond(state.marks, characters);
  const TextMark& mark = *(beyond - 1);
  const std::int64_t width = state.token_bytes;
  const std::int64_t end = beyond == state.marks.end()
                               ? static_cast<std::int64_t>(state.train.bytes) / width
                               : beyond->tokens;
  std::string bytes;
  read_range(all, static_cast<std::uint64_t>(mark.tokens * width),
             static_cast<std::uint64_t>(end * width),
             [&](std::string_view chunk) { bytes += chunk; });
  if (between_tokens)
    return cut_between_tokens(bytes, characters - mark.characters, mark.tokens, tokenizer, width);
  // Documents from the mark on, each up to its <|endoftext|>.
  std::int64_t left = characters - mark.characters, first = mark.tokens;
  std::string text;
  for (std::int64_t token = first; token < end; ++token) {
    const std::int32_t id = token_at(bytes, width, static_cast<std::size_t>(token - mark.tokens));
    if (id != tokenizer.end_of_text()) {
      tokenizer.append_text(id, text);
      continue;
    }
    const std::int64_t in_text = count_characters(text);
    if (left < in_text) return cut_text(text, left, first, token, tokenizer, width);
    left -= in_text;
    text.clear();
    first = token + 1;
  }
  return cut_text(text, left, first, end, tokenizer, width);
}

void write_val(const fs::path& path, const EndSplit& split, const fs::path& all,
               PrepareState& state) {
  TokenWriter val(path, {});
  val.write(split.val_start);
  read_range(all, static_cast<std::uint64_t>(split.val_from * state.token_bytes), state.train.bytes,
             [&](std::string_view chunk) { val.write(chunk); });
  val.close();
  state.val = val.extent();
}

}  // namespace

std::int64_t train_character_count(std::int64_t characters, double val_fraction) {
  return static_cast<std::int64_t>(static_cast<double>(characters) * (1.0 - val_fraction));
}

void add_mark(std::vector<TextMark>& marks, const TextMark& mark, double val_fraction) {
  if (mark.characters - marks.back().characters < kMarkDistance) return;
  marks.push_back(mark);
  const std::int64_t earliest = train_character_count(mark.characters, val_fraction);
  const auto beyond = mark_beyond(marks, earliest);
  if (beyond != marks.begin()) marks.erase(marks.begin(), beyond - 1);
}

void cut_at_end(PrepareState& state, const fs::path& train, const fs::path& val,
                double val_fraction, const Tokenizer& tokenizer, const std::function<void()>& save,
                bool between_tokens) {
  const std::int64_t characters = train_character_count(state.text_characters, val_fraction);
  if (!state.cut) {
    const EndSplit split = split_at(train, state, characters, tokenizer, between_tokens);
    write_val(val, split, train, state);
    state.cut = split.train;
    save();
  }
  TokenWriter::Extent kept{.bytes =
                               static_cast<std::uint64_t>(state.cut->keep * state.token_bytes)};
  const TextMark& mark = *(mark_beyond(state.marks, characters) - 1);
  Crc32c crc(mark.crc);
  read_range(train, static_cast<std::uint64_t>(mark.tokens * state.token_bytes), kept.bytes,
             [&](std::string_view chunk) { crc.update(std::as_bytes(std::span(chunk))); });
  kept.crc = crc.value();
  TokenWriter writer(train, kept);
  std::string then;
  append_token_bytes(state.cut->then, state.token_bytes, then);
  writer.write(then);
  writer.close();
  state.train = writer.extent();
}

}  // namespace gpt
