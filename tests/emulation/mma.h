// nvcuda::wmma of CUDA's <mma.h>, products of 16 x 16 tiles by a warp, on the emulated one. Where a
// lane has which elements is nobody's business, as in CUDA: of a factor each lane keeps the whole
// tile as it was when that lane read it, of a sum eight elements, and it stores no others. So a
// missing __syncwarp() shows.
#pragma once

#include "cuda_runtime.h"

namespace nvcuda::wmma {

struct row_major {
  static constexpr unsigned at(unsigned row, unsigned column, unsigned stride) {
    return row * stride + column;
  }
};
struct col_major {
  static constexpr unsigned at(unsigned row, unsigned column, unsigned stride) {
    return column * stride + row;
  }
};
struct matrix_a {};
struct matrix_b {};
struct accumulator {};
enum layout_t { mem_row_major, mem_col_major };

// A factor.
template <class Use, int M, int N, int K, class T, class Layout = void>
struct fragment {
  static_assert(M == 16 && N == 16 && K == 16, "only these are emulated");
  float tile[16][16];
};

template <>
struct fragment<accumulator, 16, 16, 16, float> {
  static constexpr int num_elements = 8;
  float x[num_elements];

  static unsigned row() { return emulated_lane() / 2; }
  static unsigned column(unsigned i) { return emulated_lane() % 2 * num_elements + i; }
};
using Sums = fragment<accumulator, 16, 16, 16, float>;

inline void fill_fragment(Sums& sums, float value) {
  for (float& x : sums.x) x = value;
}

template <class Use, class T, class Layout>
void load_matrix_sync(fragment<Use, 16, 16, 16, T, Layout>& to, const T* from, unsigned stride) {
  ::gpt::emulation::expect_tile(from, stride * sizeof(T));
  for (unsigned row = 0; row < 16; ++row)
    for (unsigned column = 0; column < 16; ++column)
      to.tile[row][column] = static_cast<float>(from[Layout::at(row, column, stride)]);
}

inline void load_matrix_sync(Sums& to, const float* from, unsigned stride, layout_t layout) {
  ::gpt::emulation::expect_tile(from, stride * sizeof(float));
  for (unsigned i = 0; i < Sums::num_elements; ++i)
    to.x[i] = from[layout == mem_row_major ? row_major::at(Sums::row(), Sums::column(i), stride)
                                           : col_major::at(Sums::row(), Sums::column(i), stride)];
}

inline void store_matrix_sync(float* to, const Sums& from, unsigned stride, layout_t layout) {
  ::gpt::emulation::expect_tile(to, stride * sizeof(float));
  for (unsigned i = 0; i < Sums::num_elements; ++i)
    to[layout == mem_row_major ? row_major::at(Sums::row(), Sums::column(i), stride)
                               : col_major::at(Sums::row(), Sums::column(i), stride)] = from.x[i];
}

template <class T, class LayoutA, class LayoutB>
void mma_sync(Sums& to, const fragment<matrix_a, 16, 16, 16, T, LayoutA>& a,
              const fragment<matrix_b, 16, 16, 16, T, LayoutB>& b, const Sums& c) {
  const unsigned row = Sums::row(), first = Sums::column(0);
  Sums sums = c;
  for (unsigned k = 0; k < 16; ++k)
    for (unsigned i = 0; i < Sums::num_elements; ++i)
      sums.x[i] += a.tile[row][k] * b.tile[k][first + i];
  to = sums;
}

}  // namespace nvcuda::wmma
