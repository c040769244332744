// BPE of one piece by carrying out the merges, as Hugging Face's `tokenizers` does: for
// vocabularies whose merges are in any order, make a token in several ways or of tokens that no
// merge makes, or that lack bytes. The time is n log n in the piece's length.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <unordered_map>

#include "bpe_encoder.h"
#include "flat_map.h"

namespace gpt {

class MergeEncoder final : public BpeEncoder {
 public:
  explicit MergeEncoder(const BpeVocabulary& vocabulary);

  void encode(std::string_view piece, Scratch& scratch,
              std::vector<std::int32_t>& ids) const override;

 private:
  void split(std::string_view piece, Scratch& scratch) const;
  void consider(std::uint32_t at, Scratch& scratch) const;

  std::array<std::int32_t, 256> byte_ids_;
  std::optional<std::int32_t> unknown_;
  bool fuse_unknown_;
  FlatMap ranks_;                     // two ids -> their merge
  std::vector<std::int32_t> merged_;  // by merge
  std::unordered_map<std::string, std::int32_t> words_;
};

}  // namespace gpt
