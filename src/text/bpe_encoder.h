// BPE of one piece. Which of the two ways is taken depends on the vocabulary: PieceEncoder is
// linear in the piece, MergeEncoder takes any list of merges.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "gpt/text/bpe_vocabulary.h"

namespace gpt {

class BpeEncoder {
 public:
  // What encode() needs for the time it runs; one per thread.
  struct Scratch {
    std::vector<std::uint32_t> symbols;
    std::vector<bool> dead;
    struct Part {
      std::int32_t id;
      std::uint32_t previous, next;
    };
    std::vector<Part> parts;
    struct Candidate {
      std::uint32_t rank, at, next;  // the merge, and the parts that it joins
    };
    std::vector<Candidate> candidates;
  };

  virtual ~BpeEncoder() = default;

  // Appends the ids of `piece`.
  virtual void encode(std::string_view piece, Scratch& scratch,
                      std::vector<std::int32_t>& ids) const = 0;
};

// The faster of those that give the vocabulary's ids.
std::unique_ptr<const BpeEncoder> make_bpe_encoder(const BpeVocabulary& vocabulary);

}  // namespace gpt
