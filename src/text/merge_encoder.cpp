#include "merge_encoder.h"

#include <algorithm>

namespace gpt {

namespace {

constexpr std::uint32_t kEnd = FlatMap::kNone;

// The heap's front is the earliest merge, of equal ones the leftmost.
bool comes_later(const BpeEncoder::Scratch::Candidate& a, const BpeEncoder::Scratch::Candidate& b) {
  return a.rank != b.rank ? a.rank > b.rank : a.at > b.at;
}

}  // namespace

MergeEncoder::MergeEncoder(const BpeVocabulary& vocabulary)
    : byte_ids_(vocabulary.byte_ids),
      unknown_(vocabulary.unknown),
      fuse_unknown_(vocabulary.fuse_unknown),
      words_(vocabulary.words) {
  for (const BpeVocabulary::Merge& merge : vocabulary.merges) {
    ranks_.insert(static_cast<std::uint32_t>(merge.left), static_cast<std::uint32_t>(merge.right),
                  static_cast<std::uint32_t>(merged_.size()));
    merged_.push_back(merge.merged);
  }
}

// Bytes without a token are left out, or each, or each run of them, becomes the unknown token.
void MergeEncoder::split(std::string_view piece, Scratch& scratch) const {
  scratch.parts.clear();
  bool known = true;
  for (const char c : piece) {
    const std::int32_t id = byte_ids_[static_cast<unsigned char>(c)];
    const bool before = known;
    known = id != BpeVocabulary::kNoToken;
    if (!known && (!unknown_ || (fuse_unknown_ && !before))) continue;
    const auto at = static_cast<std::uint32_t>(scratch.parts.size());
    scratch.parts.push_back({known ? id : *unknown_, at - 1, at + 1});
  }
  if (!scratch.parts.empty()) scratch.parts.back().next = kEnd;
}

// The merge of part `at` and the one after it, if there is one, waits for its turn.
void MergeEncoder::consider(std::uint32_t at, Scratch& scratch) const {
  const std::uint32_t next = scratch.parts[at].next;
  if (next == kEnd) return;
  const std::uint32_t rank = ranks_.find(static_cast<std::uint32_t>(scratch.parts[at].id),
                                         static_cast<std::uint32_t>(scratch.parts[next].id));
  if (rank == FlatMap::kNone) return;
  scratch.candidates.push_back({rank, at, next});
  std::push_heap(scratch.candidates.begin(), scratch.candidates.end(), comes_later);
}

void MergeEncoder::encode(std::string_view piece, Scratch& scratch,
                          std::vector<std::int32_t>& ids) const {
  if (!words_.empty())
    if (const auto word = words_.find(std::string(piece)); word != words_.end())
      return ids.push_back(word->second);
  constexpr std::int32_t kGone = -2;  // joined to the part before
  auto& parts = scratch.parts;
  auto& candidates = scratch.candidates;
  candidates.clear();
  split(piece, scratch);
  for (std::uint32_t at = 0; at < parts.size(); ++at) consider(at, scratch);
  while (!candidates.empty()) {
    std::pop_heap(candidates.begin(), candidates.end(), comes_later);
    const auto [rank, at, next] = candidates.back();
    candidates.pop_back();
    // It counts if both parts are still what they were.
    if (parts[at].id == kGone || parts[at].next != next ||
        ranks_.find(static_cast<std::uint32_t>(parts[at].id),
                    static_cast<std::uint32_t>(parts[next].id)) != rank)
      continue;
    parts[at].id = merged_[rank];
    parts[at].next = parts[next].next;
    parts[next].id = kGone;
    if (parts[at].next != kEnd) parts[parts[at].next].previous = at;
    if (parts[at].previous != kEnd) consider(parts[at].previous, scratch);
    consider(at, scratch);
  }
  for (const Scratch::Part& part : parts)
    if (part.id != kGone) ids.push_back(part.id);
}

}  // namespace gpt
