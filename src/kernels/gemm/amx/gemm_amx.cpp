// Products with the tile instructions of Intel's Sapphire Rapids and later (tile_microkernel.h).
// scripts/cmake/Room.cmake gives this file its instruction set.
#define GPT_ISA amx

#include "f32_gemm_amx.h"
#include "kernels/gemm/packed_gemm.h"
#include "tile_microkernel.h"
#include "tile_panels.h"

namespace gpt {
namespace GPT_ISA {
namespace {

// The tile of 16 rows (or columns) by 32 inner indices from (i, k) on.
template <bool transposed>
inline void pack_tile(const ProductSide<Bf16>& side, int64_t i, int64_t k, int64_t count,
                      int64_t depth, unsigned char* to) {
  const ProductSide<Bf16> at = from(side, i, k);
  const int64_t here = count - i, inner = depth - k;
  __m512i rows[16];
  for (int row = 0; row < 16; ++row) {
    if (!at.along)
      rows[row] = across_rows(at.data, at.stride, row, inner, here).part[0];
    else
      rows[row] = along_row(at.data + row * at.stride, row < here ? inner : 0).part[0];
  }
  if constexpr (transposed) transpose(rows);
  for (int row = 0; row < 16; ++row) _mm512_store_si512(to + 64 * row, rows[row]);
}

// A panel of 32 is, for each 32 k, one or two tiles.
template <bool transposed>
void pack_panels(const ProductSide<Bf16>& side, int64_t count, int64_t depth, unsigned char* to) {
  const int64_t blocks = pieces_of(depth, kTileDepth);
  const auto pack = [&](int64_t i, int64_t block) {
    const int64_t tiles = count - i > kTileRows ? 2 : 1;
    unsigned char* panel = to + (i / kTileRows * blocks + block * tiles) * kTileBytes;
    for (int64_t tile = 0; tile < tiles; ++tile)
      pack_tile<transposed>(side, i + tile * kTileRows, block * kTileDepth, count, depth,
                            panel + tile * kTileBytes);
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

// Of packed_gemm.h. Here a panel is packed at once, not beside the products of another as for
// float32: these take a sixth of the time, in which nothing else would fit.
struct Bf16Kernel : TilePanels<Bf16> {
  static void pack(const ProductSide<Bf16>& side, bool transposed, int64_t count, int64_t depth,
                   unsigned char* to) {
    (transposed ? pack_panels<true> : pack_panels<false>)(side, count, depth, to);
  }
  static const unsigned char* left(const ProductSide<Bf16>& side, int64_t rows, int64_t depth,
                                   int64_t /*columns*/, unsigned char* to) {
    pack(side, !side.along, rows, depth, to);
    return to;
  }
  static const unsigned char* panel(const unsigned char* left, int64_t i, int64_t depth) {
    return left + i * depth * kBytes;
  }
  static void pack_b(const ProductSide<Bf16>& side, int64_t count, int64_t depth,
                     unsigned char* to) {
    pack(side, side.along, count, depth, to);
  }

  static void multiply(const unsigned char* a, const unsigned char* b, Inner inner, float* c,
                       int64_t stride, int64_t rows, int64_t columns, bool add) {
    const auto nothing = [] {};
    a += inner.begin * padded_width(rows) * kBytes;
    b += inner.begin * padded_width(columns) * kBytes;
    multiply_panels<Bf16>(a, b, (inner.end - inner.begin) / kTileDepth, c, stride, rows, columns,
                          add, nothing);
  }
};

// Measured beside MKL on a Sapphire Rapids: what counts is how much of the tiles is filled, and for
// float32, whose packing costs more, that no side is small.
bool fits(Extent size, int64_t least_side, float least_filled) {
  if (size.rows < least_side || size.columns < least_side || size.inner < least_side) return false;
  const auto filled = [](int64_t extent, int64_t unit) {
    return static_cast<float>(extent) / static_cast<float>(pieces_of(extent, unit) * unit);
  };
  return filled(size.rows, 16) * filled(size.columns, 16) * filled(size.inner, 32) >= least_filled;
}
bool f32_pays(Extent size) {
  return fits(size, 32, 0.75f);
}
bool bf16_pays(Extent size) {
  return fits(size, 16, 0.5f);
}

void multiply_bf16(Extent size, ProductSide<Bf16> a, ProductSide<Bf16> b, Packed packed_b, MutF32 c,
                   Into into, unsigned char* workspace) {
  const TilesConfigured tiles;
  packed_product<Bf16Kernel>(size, a, b, packed_b, c, into, workspace);
}

constexpr PackedProducts<Bf16> bf16_products() {
  PackedProducts<Bf16> products = products_by<Bf16Kernel>(bf16_pays);
  products.multiply = multiply_bf16;
  return products;
}

}  // namespace
}  // namespace GPT_ISA

const ProductSet kProductAmx = {.name = "amx",
                                .f32 = {.multiply = amx::multiply_f32,
                                        .pays = amx::f32_pays,
                                        .workspace_bytes = amx::workspace_bytes_f32,
                                        .packed_bytes = amx::packed_bytes_f32,
                                        .pack_b = amx::pack_columns_f32,
                                        .panel_columns = amx::TilePanels<float>::kColumns,
                                        .packs_beside = true},
                                .bf16 = amx::bf16_products()};

}  // namespace gpt
