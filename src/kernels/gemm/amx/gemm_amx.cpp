// The GEMM backend with the tile instructions of Intel's Sapphire Rapids and later
// (tile_microkernel.h).
// scripts/cmake/Module.cmake gives this file its instruction set.
#define GPT_ISA amx

#include "f32_gemm_amx.h"
#include "kernels/gemm/packed_gemm.h"
#include "tile_microkernel.h"
#include "tile_panels.h"

namespace gpt {
namespace GPT_ISA {
namespace {

// Packs the tile of 16 rows (of B: columns) by 32 indices k from (i, k) on.
template <bool transposed>
inline void pack_tile(const GemmOperand<Bf16>& side, int64_t i, int64_t k, int64_t count,
                      int64_t depth, unsigned char* to) {
  const GemmOperand<Bf16> at = from(side, i, k);
  const int64_t here = count - i, inner = depth - k;
  __m512i rows[16];
  for (int row = 0; row < 16; ++row) {
    if (!at.k_contiguous)
      rows[row] = across_rows(at.data, at.stride, row, inner, here).part[0];
    else
      rows[row] = along_row(at.data + row * at.stride, row < here ? inner : 0).part[0];
  }
  if constexpr (transposed) transpose(rows);
  for (int row = 0; row < 16; ++row) _mm512_store_si512(to + 64 * row, rows[row]);
}

// Packs panels of 32 rows (of B: columns), which are one or two tiles for each 32 k.
template <bool transposed>
void pack_panels(const GemmOperand<Bf16>& side, int64_t count, int64_t depth, unsigned char* to) {
  const int64_t blocks = ceil_div(depth, kTileDepth);
  const auto pack = [&](int64_t i, int64_t block) {
    const int64_t tiles = count - i > kTileRows ? 2 : 1;
    unsigned char* panel = to + (i / kTileRows * blocks + block * tiles) * kTileBytes;
    for (int64_t tile = 0; tile < tiles; ++tile)
      pack_tile<transposed>(side, i + tile * kTileRows, block * kTileDepth, count, depth,
                            panel + tile * kTileBytes);
  };
  // In the order of the memory that is read.
  if (side.k_contiguous) {
    for (int64_t i = 0; i < count; i += 2 * kTileRows)
      for (int64_t block = 0; block < blocks; ++block) pack(i, block);
  } else {
    for (int64_t block = 0; block < blocks; ++block)
      for (int64_t i = 0; i < count; i += 2 * kTileRows) pack(i, block);
  }
}

// The kernel of packed_gemm.h. It packs a panel at once, not interleaved with the multiplication of
// another as for float32: that takes a sixth of the time, in which nothing else would fit.
struct Bf16Kernel : TilePanels<Bf16> {
  static void pack(const GemmOperand<Bf16>& side, bool transposed, int64_t count, int64_t depth,
                   unsigned char* to) {
    (transposed ? pack_panels<true> : pack_panels<false>)(side, count, depth, to);
  }
  static const unsigned char* block_a(const GemmOperand<Bf16>& side, int64_t rows, int64_t depth,
                                      int64_t /*columns*/, unsigned char* to) {
    pack(side, !side.k_contiguous, rows, depth, to);
    return to;
  }
  static const unsigned char* panel(const unsigned char* block, int64_t i, int64_t depth) {
    return block + i * depth * kBytes;
  }
  static void pack_b(const GemmOperand<Bf16>& side, int64_t count, int64_t depth,
                     unsigned char* to) {
    pack(side, side.k_contiguous, count, depth, to);
  }

  static void multiply(const unsigned char* a, const unsigned char* b, KRange k, float* c,
                       int64_t stride, int64_t rows, int64_t columns, bool add) {
    const auto nothing = [] {};
    a += k.begin * padded_width(rows) * kBytes;
    b += k.begin * padded_width(columns) * kBytes;
    multiply_panels<Bf16>(a, b, (k.end - k.begin) / kTileDepth, c, stride, rows, columns, add,
                          nothing);
  }
};

// Measured against MKL on a Sapphire Rapids: what counts is how much of the tiles is filled, and
// for float32, whose packing costs more, that neither M, N nor K is small.
bool fills_tiles(GemmShape size, int64_t least_side, float least_filled) {
  if (size.M < least_side || size.N < least_side || size.K < least_side) return false;
  const auto filled = [](int64_t extent, int64_t unit) {
    return static_cast<float>(extent) / static_cast<float>(ceil_div(extent, unit) * unit);
  };
  return filled(size.M, 16) * filled(size.N, 16) * filled(size.K, 32) >= least_filled;
}
bool f32_is_faster(GemmShape size) {
  return fills_tiles(size, 32, 0.75f);
}
bool bf16_is_faster(GemmShape size) {
  return fills_tiles(size, 16, 0.5f);
}

void multiply_bf16(GemmShape size, GemmOperand<Bf16> a, GemmOperand<Bf16> b, PackedB packed_b,
                   MutF32 c, Into into, unsigned char* workspace) {
  const TilesConfigured tiles;
  packed_gemm<Bf16Kernel>(size, a, b, packed_b, c, into, workspace);
}

constexpr NativeGemm<Bf16> bf16_gemm() {
  NativeGemm<Bf16> gemm = make_native_gemm<Bf16Kernel>(bf16_is_faster);
  gemm.multiply = multiply_bf16;
  return gemm;
}

}  // namespace
}  // namespace GPT_ISA

const GemmBackend kGemmAmx = {.name = "amx",
                              .f32 = {.multiply = amx::multiply_f32,
                                      .is_faster = amx::f32_is_faster,
                                      .workspace_bytes = amx::workspace_bytes_f32,
                                      .packed_bytes = amx::packed_bytes_f32,
                                      .pack_b = amx::pack_b_columns_f32,
                                      .panel_columns = amx::TilePanels<float>::kNR,
                                      .packs_interleaved = true},
                              .bf16 = amx::bf16_gemm()};

}  // namespace gpt
