// Finds any of many short texts in a long one.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "flat_map.h"

namespace gpt {

class TextMatcher {
 public:
  // An empty text is passed over; of two that are the same the later value counts.
  void add(std::string_view text, std::int32_t value);
  bool empty() const { return longest_ == 0; }

  struct Match {
    std::size_t begin, end;
    std::int32_t value;
  };
  // The leftmost match at or behind `from`; of those that begin there the longest.
  std::optional<Match> find(std::string_view text, std::size_t from) const;

  // Whether one of the texts lies around the place `cut`, ends or begins there, or might do so if
  // `text` went on.
  bool touches(std::string_view text, std::size_t cut) const;

 private:
  std::uint32_t step(std::uint32_t node, char byte) const {
    return children_.find(node, static_cast<unsigned char>(byte));
  }

  std::size_t next_begin(std::string_view text, std::size_t from) const;

  FlatMap children_;                               // node, byte -> node
  std::vector<std::int32_t> values_ = {kNoValue};  // by node
  std::array<bool, 256> begins_ = {};              // with this byte a text begins
  int first_bytes_ = 0;                            // how many those are,
  char first_byte_ = 0;                            // and the last of them
  std::size_t longest_ = 0;
  static constexpr std::int32_t kNoValue = -1;
};

}  // namespace gpt
