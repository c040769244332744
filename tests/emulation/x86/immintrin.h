// Stands in for the AVX-512 and AMX instructions that src/kernels uses, on a CPU with AVX2: so that
// what is written with them is tested everywhere. What each does is in Intel's Software Developer's
// Manual, volume 2; bfloat16 products flush denormals and round to nearest, as there.
#pragma once
#pragma GCC system_header

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include_next <immintrin.h>

#include "bf16.h"
#include "lane_moves.h"

#define GPT_X86 emulated_x86

#define _mm256_maskz_loadu_epi16 GPT_X86::load<__m256i, std::uint16_t>
#define _mm_maskz_loadu_epi32 GPT_X86::load<__m128i, std::uint32_t>
#define _mm512_maskz_loadu_epi16 GPT_X86::load<__m512i, std::uint16_t>
#define _mm512_maskz_loadu_ps GPT_X86::load<__m512, float>
#define _mm512_loadu_ps(from) GPT_X86::load<__m512, float>(0xFFFFu, from)
#define _mm512_storeu_ps(to, x) GPT_X86::store<float>(to, 0xFFFFu, x)
#define _mm512_mask_storeu_ps GPT_X86::store<float>
#define _mm512_store_si512 GPT_X86::store_aligned
#define _mm256_mask_storeu_epi16 GPT_X86::store<std::uint16_t>

#define _mm512_add_epi32(a, b) \
  GPT_X86::map<std::uint32_t>(a, b, [](std::uint32_t x, std::uint32_t y) { return x + y; })
#define _mm512_and_si512(a, b) \
  GPT_X86::map<std::uint32_t>(a, b, [](std::uint32_t x, std::uint32_t y) { return x & y; })
#define _mm512_or_si512(a, b) \
  GPT_X86::map<std::uint32_t>(a, b, [](std::uint32_t x, std::uint32_t y) { return x | y; })
#define _mm512_slli_epi32(a, n) \
  GPT_X86::map<std::uint32_t>(a, [](std::uint32_t x) { return x << (n); })
#define _mm512_srli_epi32(a, n) \
  GPT_X86::map<std::uint32_t>(a, [](std::uint32_t x) { return x >> (n); })
#define _mm512_sub_ps(a, b) GPT_X86::map<float>(a, b, [](float x, float y) { return x - y; })
#define _mm512_max_ps(a, b) \
  GPT_X86::map<float>(a, b, [](float x, float y) { return x > y ? x : y; })
#define _mm512_min_ps(a, b) \
  GPT_X86::map<float>(a, b, [](float x, float y) { return x < y ? x : y; })
#define _mm512_abs_ps(a) GPT_X86::map<float>(a, [](float x) { return std::fabs(x); })
#define _mm512_scalef_ps(a, b) \
  GPT_X86::map<float>(a, b, [](float x, float y) { return std::ldexp(x, static_cast<int>(y)); })
#define _mm512_reduce_add_ps GPT_X86::sum
#define _mm512_reduce_max_ps GPT_X86::largest
#define _mm512_set1_epi32(x) GPT_X86::each<__m512i, int>([&](int) { return x; })
#define _mm512_set1_ps(x) GPT_X86::each<__m512, float>([&](int) { return x; })
#define _mm512_mask_mov_epi16 GPT_X86::blend<std::uint16_t>
#define _mm512_mask_mov_ps GPT_X86::blend<float>

#define _mm512_mask_or_epi32 GPT_X86::or_where
#define _mm512_cmp_ps_mask(a, b, kind) GPT_X86::unordered<kind>(a, b)

#define _mm512_castps_si512 GPT_X86::vector<__m512i>
#define _mm512_castsi512_ps GPT_X86::vector<__m512>
#define _mm512_castsi128_si512(a) \
  GPT_X86::broadcast_quarter(GPT_X86::each<__m512i, int>([](int) { return 0; }), 0xFu, a)
#define _mm512_cvtepu16_epi32 GPT_X86::widen
#define _mm512_cvtepi32_epi16 GPT_X86::low_halves
#define _mm512_unpacklo_epi32(a, b) GPT_X86::unpack<std::uint32_t>(a, b, false)
#define _mm512_unpackhi_epi32(a, b) GPT_X86::unpack<std::uint32_t>(a, b, true)
#define _mm512_unpacklo_epi64(a, b) GPT_X86::unpack<std::uint64_t>(a, b, false)
#define _mm512_unpackhi_epi64(a, b) GPT_X86::unpack<std::uint64_t>(a, b, true)
#define _mm512_shuffle_i32x4 GPT_X86::shuffle_quarters
#define _mm512_mask_broadcast_i32x4 GPT_X86::broadcast_quarter

#define __m512bh __m512
#define __m256bh __m256i
#define _mm512_cvtneps_pbh GPT_X86::rounded
#define _mm512_dpbf16_ps GPT_X86::add_pairs

#undef _tile_loadd
#undef _tile_stored
#undef _tile_zero
#undef _tile_dpbf16ps
#define _tile_loadconfig(shapes) (GPT_X86::tiles.configured = true, static_cast<void>(shapes))
#define _tile_release() (GPT_X86::tiles.configured = false)
#define _tile_loadd GPT_X86::tile_load
#define _tile_stored GPT_X86::tile_store
#define _tile_zero GPT_X86::tile_zero
#define _tile_dpbf16ps GPT_X86::tile_multiply
