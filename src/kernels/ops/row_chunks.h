// Into how many chunks the rows of a matrix are cut to sum its columns.
#pragma once

#include <algorithm>
#include <cstdint>

namespace gpt {

// A chunk is worth its block from some rows on; 256 chunks fill a card even with few columns.
inline std::int64_t row_chunks(std::int64_t rows) {
  constexpr std::int64_t kRowsPerChunk = 64, kMostChunks = 256;
  return std::clamp<std::int64_t>(rows / kRowsPerChunk, 1, kMostChunks);
}

}  // namespace gpt
