// Products with the tile instructions of Intel's Sapphire Rapids and later (Intel SDM volume 1,
// chapter 18). Room.cmake gives this file its instruction set.
//
// A float32 product is the six largest of nine bfloat16 products: with a = a1 + a2 + a3 and b
// likewise (tile_pack.h), what is left away, a2 b3 + a3 b2 + a3 b3, is at most 2^-23 of a b and on
// average far less, as the parts are rounded to nearest. The tiles add in float32.
#define GPT_ISA amx

#include "packed_product.h"
#include "tile_pack.h"

namespace gpt {
namespace GPT_ISA {
namespace {

struct alignas(64) TileShapes {
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t bytes_a_row[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

inline void store_part(unsigned char* to, const __m512i (&rows)[16]) {
  for (int i = 0; i < 16; ++i) _mm512_store_si512(to + 64 * i, rows[i]);
}

// The tiles of 16 rows (or columns) by 32 inner indices; part p goes to to + p * step.
template <class T, bool transposed>
inline void pack_tile(const ProductSide<T>& side, int64_t i, int64_t k, int64_t count,
                      int64_t depth, unsigned char* to, int64_t step) {
  const ProductSide<T> at = from(side, i, k);
  const int64_t here = count - i, inner = depth - k;
  __m512i rows[kParts<T>][16];
  for (int row = 0; row < 16; ++row) {
    Words<kParts<T>> words{};
    if (!at.along)
      words = across_rows(at.data, at.stride, row, inner, here);
    else if (row < here)
      words = along_row(at.data + row * at.stride, inner);
    for (int part = 0; part < kParts<T>; ++part) rows[part][row] = words.part[part];
  }
  for (int part = 0; part < kParts<T>; ++part) {
    if constexpr (transposed) transpose(rows[part]);
    store_part(to + part * step, rows[part]);
  }
}

// A panel of 32 is, for each 32 k, for each part, one or two tiles.
template <class T, bool transposed>
void pack_panels(const ProductSide<T>& side, int64_t count, int64_t depth, unsigned char* to) {
  const int64_t blocks = pieces_of(depth, kTileDepth);
  const auto pack = [&](int64_t i, int64_t block) {
    const int64_t tiles = count - i > kTileRows ? 2 : 1;
    unsigned char* panel = to + i / kTileRows * kTileBytes * kParts<T> * blocks +
                           block * tiles * kParts<T> * kTileBytes;
    for (int64_t tile = 0; tile < tiles; ++tile)
      pack_tile<T, transposed>(side, i + tile * kTileRows, block * kTileDepth, count, depth,
                               panel + tile * kTileBytes, tiles * kTileBytes);
  };
  // In the order of the source's memory.
  if (side.along) {
    for (int64_t i = 0; i < count; i += 2 * kTileRows)
      for (int64_t block = 0; block < blocks; ++block) pack(i, block);
  } else {
    for (int64_t block = 0; block < blocks; ++block)
      for (int64_t i = 0; i < count; i += 2 * kTileRows) pack(i, block);
  }
}

// Tiles 0-3 are the result's, 4 and 5 of a, 6 and 7 of b.
template <int tiles>
inline void load_a(const unsigned char* from) {
  _tile_loadd(4, from, 64);
  if constexpr (tiles == 2) _tile_loadd(5, from + kTileBytes, 64);
}
template <int tiles>
inline void load_b(const unsigned char* from) {
  _tile_loadd(6, from, 64);
  if constexpr (tiles == 2) _tile_loadd(7, from + kTileBytes, 64);
}

template <int down, int across>
inline void accumulate() {
  _tile_dpbf16ps(0, 4, 6);
  if constexpr (across == 2) _tile_dpbf16ps(1, 4, 7);
  if constexpr (down == 2) _tile_dpbf16ps(2, 5, 6);
  if constexpr (down == 2 && across == 2) _tile_dpbf16ps(3, 5, 7);
}

template <int parts, int down, int across>
inline void accumulate_block(const unsigned char* a, const unsigned char* b) {
  constexpr int64_t a_step = down * kTileBytes, b_step = across * kTileBytes;
  if constexpr (parts == 1) {
    load_a<down>(a);
    load_b<across>(b);
    accumulate<down, across>();
  } else {
    load_a<down>(a + 2 * a_step);
    load_b<across>(b);
    accumulate<down, across>();
    load_a<down>(a + a_step);
    accumulate<down, across>();
    load_b<across>(b + b_step);
    accumulate<down, across>();
    load_a<down>(a);
    accumulate<down, across>();
    load_b<across>(b + 2 * b_step);
    accumulate<down, across>();
    load_b<across>(b);
    accumulate<down, across>();
  }
}

template <int parts, int down, int across>
void multiply_tiles(const unsigned char* a, const unsigned char* b, int64_t blocks, float* c,
                    int64_t stride, bool add) {
  const auto bytes = stride * static_cast<int64_t>(sizeof(float));
  asm volatile("" ::: "memory");  // g++ 12's tile loads and stores do not name what they touch
  if (add) {
    _tile_loadd(0, c, bytes);
    if constexpr (across == 2) _tile_loadd(1, c + 16, bytes);
    if constexpr (down == 2) _tile_loadd(2, c + 16 * stride, bytes);
    if constexpr (down == 2 && across == 2) _tile_loadd(3, c + 16 * stride + 16, bytes);
  } else {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
  }
  for (int64_t block = 0; block < blocks; ++block) {
    accumulate_block<parts, down, across>(a, b);
    a += parts * down * kTileBytes;
    b += parts * across * kTileBytes;
  }
  _tile_stored(0, c, bytes);
  if constexpr (across == 2) _tile_stored(1, c + 16, bytes);
  if constexpr (down == 2) _tile_stored(2, c + 16 * stride, bytes);
  if constexpr (down == 2 && across == 2) _tile_stored(3, c + 16 * stride + 16, bytes);
  asm volatile("" ::: "memory");
}

template <class T>
struct TileKernel {
  using Element = T;
  static constexpr int64_t kRows = 32, kColumns = 32, kDepth = kTileDepth;
  static constexpr int64_t kBytes = 2 * kParts<T>;
  // A packed block is to stay in the second cache (2 MiB) beside what passes by.
  static constexpr int64_t kRowBlock = 512, kDepthBlock = kParts<T> == 3 ? 384 : 512,
                           kBlock = kRowBlock * kDepthBlock;

  static void pack_a(const ProductSide<T>& side, int64_t count, int64_t depth, unsigned char* to) {
    if (side.along)
      pack_panels<T, false>(side, count, depth, to);
    else
      pack_panels<T, true>(side, count, depth, to);
  }
  static void pack_b(const ProductSide<T>& side, int64_t count, int64_t depth, unsigned char* to) {
    if (side.along)
      pack_panels<T, true>(side, count, depth, to);
    else
      pack_panels<T, false>(side, count, depth, to);
  }

  static int64_t padded_columns(int64_t columns) { return columns > kTileRows ? 32 : 16; }

  static void multiply(const unsigned char* a, const unsigned char* b, int64_t depth, float* c,
                       int64_t stride, int64_t rows, int64_t columns, bool add) {
    using Multiply =
        void (*)(const unsigned char*, const unsigned char*, int64_t, float*, int64_t, bool);
    constexpr int parts = kParts<T>;
    static constexpr Multiply kinds[2][2] = {
        {multiply_tiles<parts, 1, 1>, multiply_tiles<parts, 1, 2>},
        {multiply_tiles<parts, 2, 1>, multiply_tiles<parts, 2, 2>}};
    const int64_t down = rows > 16 ? 2 : 1, across = columns > 16 ? 2 : 1;
    const Multiply kind = kinds[down - 1][across - 1];
    const int64_t blocks = depth / kTileDepth;
    if (rows == down * 16 && columns == across * 16) return kind(a, b, blocks, c, stride, add);
    alignas(64) float edge[kRows * kColumns];
    kind(a, b, blocks, edge, kColumns, false);
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t j = 0; j < columns; ++j) {
        float& to = c[i * stride + j];
        to = edge[i * kColumns + j] + (add ? to : 0.0f);
      }
  }
};

// Measured beside MKL on a Sapphire Rapids: what counts is how much of the tiles is filled, and for
// float32, whose packing costs more, that no side is small.
template <class T>
bool pays(Extent size) {
  const int64_t least_side = kParts<T> == 3 ? 32 : 16;
  if (size.rows < least_side || size.columns < least_side || size.inner < least_side) return false;
  const auto filled = [](int64_t extent, int64_t unit) {
    return static_cast<float>(extent) / static_cast<float>(pieces_of(extent, unit) * unit);
  };
  return filled(size.rows, 16) * filled(size.columns, 16) * filled(size.inner, 32) >=
         (kParts<T> == 3 ? 0.75f : 0.5f);
}

template <class T>
void tile_product(Extent size, ProductSide<T> a, ProductSide<T> b, const unsigned char* packed_b,
                  MutF32 c, Into into, unsigned char* workspace) {
  const TileShapes shapes;
  _tile_loadconfig(&shapes);
  packed_product<TileKernel<T>>(size, a, b, packed_b, c, into, workspace);
  _tile_release();
}

template <class T>
constexpr PackedProducts<T> tile_products() {
  PackedProducts<T> products = products_by<TileKernel<T>>(pays<T>);
  products.multiply = tile_product<T>;
  return products;
}

}  // namespace
}  // namespace GPT_ISA

const ProductSet kProductAmx = {
    .name = "amx", .f32 = GPT_ISA::tile_products<float>(), .bf16 = GPT_ISA::tile_products<Bf16>()};

}  // namespace gpt
