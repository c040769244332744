#include "piece_encoder.h"

#include "merge_encoder.h"

namespace gpt {

std::unique_ptr<const BpeEncoder> make_bpe_encoder(const BpeVocabulary& vocabulary) {
  if (PieceEncoder::suits(vocabulary)) return std::make_unique<PieceEncoder>(vocabulary);
  return std::make_unique<MergeEncoder>(vocabulary);
}

bool PieceEncoder::suits(const BpeVocabulary& vocabulary) {
  if (!vocabulary.words.empty() || vocabulary.missing_bytes() > 0) return false;
  std::vector<bool> made(vocabulary.tokens.size(), false);
  for (const std::int32_t id : vocabulary.byte_ids) made[static_cast<std::size_t>(id)] = true;
  for (const BpeVocabulary::Merge& merge : vocabulary.merges) {
    if (!made[static_cast<std::size_t>(merge.left)] || !made[static_cast<std::size_t>(merge.right)])
      return false;
    if (made[static_cast<std::size_t>(merge.merged)]) return false;
    made[static_cast<std::size_t>(merge.merged)] = true;
  }
  return true;
}

PieceEncoder::PieceEncoder(const BpeVocabulary& vocabulary) : symbol_at_(1, kNone) {
  add_symbols(vocabulary);
  // A token that its own bytes do not become is never part of an encoding.
  std::vector<bool> encodes_itself(symbols_.size(), true);
  for (std::uint32_t symbol = 0; symbol < symbols_.size(); ++symbol) {
    const auto [left, right, shorter, length, id] = symbols_[symbol];
    if (symbol >= 256)
      encodes_itself[symbol] =
          encodes_itself[left] && encodes_itself[right] && stay_apart(left, right, symbol);
    if (encodes_itself[symbol])
      add_to_trie(symbol, vocabulary.tokens[static_cast<std::size_t>(id)]);
  }
  // All tokens are in: now the shorter ones can be found on the way to each.
  for (Symbol& symbol : symbols_) {
    const std::string& bytes = vocabulary.tokens[static_cast<std::size_t>(symbol.id)];
    symbol.shorter = longest_symbol(std::string_view(bytes).substr(0, bytes.size() - 1));
  }
}

void PieceEncoder::add_symbols(const BpeVocabulary& vocabulary) {
  symbols_.reserve(256 + vocabulary.merges.size());
  std::vector<std::uint32_t> symbol_of(vocabulary.tokens.size(), kNone);
  const auto add = [&](std::uint32_t left, std::uint32_t right, std::int32_t id) {
    symbol_of[static_cast<std::size_t>(id)] = static_cast<std::uint32_t>(symbols_.size());
    const auto length = vocabulary.tokens[static_cast<std::size_t>(id)].size();
    symbols_.push_back({left, right, kNone, static_cast<std::uint32_t>(length), id});
  };
  for (std::uint32_t byte = 0; byte < 256; ++byte) add(byte, byte, vocabulary.byte_ids[byte]);
  for (const auto& merge : vocabulary.merges) {
    const std::uint32_t left = symbol_of[static_cast<std::size_t>(merge.left)];
    const std::uint32_t right = symbol_of[static_cast<std::size_t>(merge.right)];
    merged_.insert(left, right, static_cast<std::uint32_t>(symbols_.size()));
    add(left, right, merge.merged);
  }
}

void PieceEncoder::add_to_trie(std::uint32_t symbol, std::string_view bytes) {
  std::uint32_t node = 0;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    std::uint32_t child = children_.find(node, byte);
    if (child == kNone) {
      child = static_cast<std::uint32_t>(symbol_at_.size());
      children_.insert(node, byte, child);
      symbol_at_.push_back(kNone);
    }
    node = child;
  }
  symbol_at_[node] = symbol;
}

// Whether the boundary between two tokens survives all merges that come before symbol `before` is
// made. Taken back in time: whichever of the two was made last is split again, which leaves at the
// boundary the two that were there until then; they must not have merged before that.
// Of equal merges the leftmost goes first, which decides the ties.
bool PieceEncoder::stay_apart(std::uint32_t left, std::uint32_t right, std::uint32_t before) const {
  while (true) {
    const std::uint32_t merged = merged_.find(left, right);
    if (merged < before) return false;
    if (left < 256 && right < 256) return true;
    if (left > right) {
      before = left;
      left = symbols_[left].right;
    } else {
      before = right + 1;
      right = symbols_[right].left;
    }
  }
}

std::uint32_t PieceEncoder::longest_symbol(std::string_view text) const {
  std::uint32_t node = 0, longest = kNone;
  for (const char c : text) {
    node = children_.find(node, static_cast<unsigned char>(c));
    if (node == kNone) break;
    if (symbol_at_[node] != kNone) longest = symbol_at_[node];
  }
  return longest;
}

void PieceEncoder::encode(std::string_view piece, Scratch& scratch,
                          std::vector<std::int32_t>& ids) const {
  std::vector<std::uint32_t>& symbols = scratch.symbols;
  symbols.clear();
  scratch.dead.assign(piece.size() + 1, false);
  std::size_t at = 0;
  std::uint32_t next = longest_symbol(piece);
  while (at < piece.size()) {
    const std::size_t end = at + symbols_[next].length;
    if (!scratch.dead[end] && (symbols.empty() || stay_apart(symbols.back(), next, kNone))) {
      symbols.push_back(next);
      at = end;
      next = longest_symbol(piece.substr(at));
    } else if (symbols_[next].shorter != kNone) {
      next = symbols_[next].shorter;
    } else {
      scratch.dead[at] = true;
      next = symbols.back();
      symbols.pop_back();
      at -= symbols_[next].length;
    }
  }
  for (const std::uint32_t symbol : symbols) ids.push_back(symbols_[symbol].id);
}

}  // namespace gpt
