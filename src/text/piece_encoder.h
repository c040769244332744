// BPE of one piece, without carrying out the merges: in time linear in the piece's length.
//
// The merges of a text never cross the boundary between two tokens of its encoding, so what they do
// on either side does not depend on the other. Hence (1) every prefix of an encoding is the
// encoding of its bytes, (2) a list of tokens is an encoding if each two neighbours are one on
// their own, and (3) there is at most one list of tokens up to each position that can be part of an
// encoding. So the encoder takes the longest token that gets on with the one before it, and where
// none does it goes back and takes a shorter one; by (3) a position that failed once is never tried
// again.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "gpt/text/bpe_vocabulary.h"

#include "bpe_encoder.h"
#include "flat_map.h"

namespace gpt {

class PieceEncoder final : public BpeEncoder {
 public:
  // Whether the vocabulary is what this needs: one with all bytes, each of whose other tokens is
  // made by one merge, of two bytes or tokens of earlier merges.
  static bool suits(const BpeVocabulary& vocabulary);

  // One that suits.
  explicit PieceEncoder(const BpeVocabulary& vocabulary);

  void encode(std::string_view piece, Scratch& scratch,
              std::vector<std::int32_t>& ids) const override;

 private:
  // A symbol is a byte (below 256) or 256 + the index of the merge that makes it, so that of two
  // symbols the larger one is made later.
  struct Symbol {
    std::uint32_t left, right;  // its parts; of a byte: itself
    std::uint32_t shorter;      // the longest symbol that is a proper prefix of it, or kNone
    std::uint32_t length;
    std::int32_t id;
  };
  static constexpr std::uint32_t kNone = FlatMap::kNone;

  void add_symbols(const BpeVocabulary& vocabulary);
  void add_to_trie(std::uint32_t symbol, std::string_view bytes);
  bool stay_apart(std::uint32_t left, std::uint32_t right, std::uint32_t before) const;
  std::uint32_t longest_symbol(std::string_view text) const;

  std::vector<Symbol> symbols_;
  FlatMap merged_;                        // two symbols -> the one that they merge to
  FlatMap children_;                      // trie: node, byte -> node
  std::vector<std::uint32_t> symbol_at_;  // by node; kNone: no token ends here
};

}  // namespace gpt
