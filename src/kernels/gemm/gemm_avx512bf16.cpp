// As gemm_avx512.cpp, but bfloat16 is multiplied by VDPBF16PS, which multiplies two of them a lane
// and counts denormals as zero (Intel SDM).
#define GPT_ISA avx512bf16

#include "kernels/cpu/simd_avx512.h"
#include "simd_microkernel.h"

namespace gpt {
namespace GPT_ISA {
namespace {

struct PairedBf16KGroup {
  using Element = Bf16;
  static constexpr bool kInPlace = false;
  static constexpr int64_t kElements = 2;
  static __m128 along(const Bf16* row) { return _mm_loadu_ps(reinterpret_cast<const float*>(row)); }
  static __m128 across(const Bf16* data, int64_t stride) {
    const __m128i low = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(data));
    const __m128i high = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(data + stride));
    return _mm_castsi128_ps(_mm_unpacklo_epi16(low, high));
  }
  static float one(const GemmOperand<Bf16>& side, int64_t depth) {
    return join_bf16(*side.data,
                     depth > 1 ? side.data[side.k_contiguous ? 1 : side.stride] : Bf16{0});
  }
  static VecF32 multiply_add(float left, VecF32 right, VecF32 sum) {
    return _mm512_dpbf16_ps(sum, reinterpret_cast<__m512bh>(_mm512_set1_ps(left)),
                            reinterpret_cast<__m512bh>(right));
  }
};

}  // namespace
}  // namespace GPT_ISA

const GemmBackend kGemmAvx512Bf16 = {
    .name = "avx512bf16",
    .f32 = GPT_ISA::make_native_gemm<GPT_ISA::SimdMicrokernel<GPT_ISA::F32KGroup>>(
        GPT_ISA::large_enough),
    .bf16 = GPT_ISA::make_native_gemm<GPT_ISA::SimdMicrokernel<GPT_ISA::PairedBf16KGroup>>(
        GPT_ISA::large_enough)};

}  // namespace gpt
