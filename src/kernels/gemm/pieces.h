// How sizes are cut into pieces.
#pragma once

#include <stdint.h>

namespace gpt {
namespace GPT_ISA {
namespace {

inline int64_t least(int64_t a, int64_t b) {
  return a < b ? a : b;
}

inline int64_t most(int64_t a, int64_t b) {
  return a > b ? a : b;
}

inline int64_t pieces_of(int64_t size, int64_t most) {
  return (size + most - 1) / most;
}

// The size of equal pieces, a multiple of `unit`, of at most `most` (a multiple of `unit` too).
inline int64_t even_piece(int64_t size, int64_t most, int64_t unit) {
  const int64_t piece = pieces_of(size, pieces_of(size, most));
  return pieces_of(piece, unit) * unit;
}

}  // namespace
}  // namespace GPT_ISA
}  // namespace gpt
