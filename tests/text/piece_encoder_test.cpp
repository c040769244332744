#include "../../src/text/piece_encoder.h"

#include <map>
#include <random>
#include <set>
#include <string>

#include <gtest/gtest.h>

namespace gpt {
namespace {

// Id i is byte i; merges number on from 256.
BpeVocabulary bytes_only() {
  BpeVocabulary vocabulary;
  for (std::int32_t byte = 0; byte < 256; ++byte) {
    vocabulary.tokens.push_back(std::string(1, static_cast<char>(byte)));
    vocabulary.byte_ids[static_cast<std::size_t>(byte)] = byte;
  }
  return vocabulary;
}

void add_merge(BpeVocabulary& vocabulary, std::int32_t left, std::int32_t right) {
  const auto bytes = [&](std::int32_t id) {
    return vocabulary.tokens[static_cast<std::size_t>(id)];
  };
  vocabulary.merges.push_back({left, right, static_cast<std::int32_t>(vocabulary.tokens.size())});
  vocabulary.tokens.push_back(bytes(left) + bytes(right));
}

// The definition: again and again the earliest merge of all, at its leftmost place.
std::vector<std::int32_t> merged_by_hand(const BpeVocabulary& vocabulary,
                                         const std::string& piece) {
  std::map<std::pair<std::int32_t, std::int32_t>, std::size_t> order;
  for (std::size_t i = 0; i < vocabulary.merges.size(); ++i)
    order[{vocabulary.merges[i].left, vocabulary.merges[i].right}] = i;
  std::vector<std::int32_t> ids;
  for (const char c : piece) ids.push_back(static_cast<unsigned char>(c));
  while (true) {
    std::size_t first = vocabulary.merges.size(), at = 0;
    for (std::size_t i = 0; i + 1 < ids.size(); ++i)
      if (const auto found = order.find({ids[i], ids[i + 1]});
          found != order.end() && found->second < first) {
        first = found->second;
        at = i;
      }
    if (first == vocabulary.merges.size()) return ids;
    ids[at] = vocabulary.merges[first].merged;
    ids.erase(ids.begin() + static_cast<long>(at) + 1);
  }
}

std::vector<std::int32_t> encoded(const PieceEncoder& encoder, const std::string& piece) {
  PieceEncoder::Scratch scratch;
  std::vector<std::int32_t> ids;
  encoder.encode(piece, scratch, ids);
  return ids;
}

// Merges of any two tokens, in any order: also such as no training would give, whose results other
// merges prevent.
BpeVocabulary random_vocabulary(std::mt19937& random, std::string_view letters, int merges) {
  BpeVocabulary vocabulary = bytes_only();
  std::vector<std::int32_t> known(letters.begin(), letters.end());
  std::set<std::string> made;
  for (int i = 0; i < merges; ++i) {
    const std::int32_t left = known[random() % known.size()];
    const std::int32_t right = known[random() % known.size()];
    const std::string bytes = vocabulary.tokens[static_cast<std::size_t>(left)] +
                              vocabulary.tokens[static_cast<std::size_t>(right)];
    if (bytes.size() > 12 || !made.insert(bytes).second) continue;
    add_merge(vocabulary, left, right);
    known.push_back(vocabulary.merges.back().merged);
  }
  return vocabulary;
}

TEST(PieceEncoder, EncodesAsTheMergesByHand) {
  std::mt19937 random(1);
  for (int round = 0; round < 400; ++round) {
    const std::string letters = std::string("abcd").substr(0, 1 + random() % 4);
    const auto vocabulary = random_vocabulary(random, letters, static_cast<int>(random() % 40));
    const PieceEncoder encoder(vocabulary);
    for (int i = 0; i < 100; ++i) {
      std::string piece(random() % 30, ' ');
      for (char& c : piece) c = letters[random() % letters.size()];
      ASSERT_EQ(encoded(encoder, piece), merged_by_hand(vocabulary, piece))
          << "round " << round << ": " << piece;
    }
  }
}

TEST(PieceEncoder, OfEqualMergesTheLeftmostGoesFirst) {
  BpeVocabulary vocabulary = bytes_only();
  add_merge(vocabulary, 'a', 'a');
  const PieceEncoder encoder(vocabulary);
  EXPECT_EQ(encoded(encoder, "aaaaa"), (std::vector<std::int32_t>{256, 256, 'a'}));
}

TEST(PieceEncoder, GoesBackWhereTheLongestTokenIsWrong) {
  BpeVocabulary vocabulary = bytes_only();
  add_merge(vocabulary, 'b', 'c');  // 256, before ab, which would be the longest token at first
  add_merge(vocabulary, 'a', 'b');
  const PieceEncoder encoder(vocabulary);
  EXPECT_EQ(encoded(encoder, "abc"), (std::vector<std::int32_t>{'a', 256}));
  EXPECT_EQ(encoded(encoder, "abab"), (std::vector<std::int32_t>{257, 257}));
  EXPECT_TRUE(encoded(encoder, "").empty());
}

// A token that other merges always prevent is not found as a whole, either.
TEST(PieceEncoder, TokensOutOfReachAreNotUsed) {
  BpeVocabulary vocabulary = bytes_only();
  add_merge(vocabulary, 'a', 'b');  // 256
  add_merge(vocabulary, 'b', 'c');  // 257
  add_merge(vocabulary, 'a', 257);  // 258: "abc", but ab goes first
  add_merge(vocabulary, 258, 'd');  // 259
  const PieceEncoder encoder(vocabulary);
  EXPECT_EQ(encoded(encoder, "abc"), (std::vector<std::int32_t>{256, 'c'}));
  EXPECT_EQ(encoded(encoder, "abcd"), (std::vector<std::int32_t>{256, 'c', 'd'}));
}

// With work that grows with the square of the length, these would take hours.
TEST(PieceEncoder, LongPiecesTakeLinearTime) {
  BpeVocabulary vocabulary = bytes_only();
  add_merge(vocabulary, 'b', 'a');  // takes the first a of a run, which shifts all that follow
  std::int32_t run = 'a';
  for (int i = 0; i < 7; ++i) {
    add_merge(vocabulary, run, run);
    run = vocabulary.merges.back().merged;
  }
  const PieceEncoder encoder(vocabulary);
  const std::size_t length = std::size_t{1} << 22;
  EXPECT_EQ(encoded(encoder, std::string(length, 'a')),
            std::vector<std::int32_t>(length / 128, run));
  const auto shifted = encoded(encoder, "b" + std::string(length, 'a'));
  EXPECT_EQ(shifted.size(), length / 128 + 7);  // ba, runs of 128, and 127 more
}

}  // namespace
}  // namespace gpt
