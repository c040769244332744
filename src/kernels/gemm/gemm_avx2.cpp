#define GPT_ISA avx2

#include "kernels/cpu/simd_avx2.h"
#include "simd_microkernel.h"

namespace gpt {

const GemmBackend kGemmAvx2 = {
    .name = "avx2",
    .f32 = GPT_ISA::make_native_gemm<GPT_ISA::SimdMicrokernel<GPT_ISA::F32KGroup>>(
        GPT_ISA::large_enough),
    .bf16 = GPT_ISA::make_native_gemm<GPT_ISA::SimdMicrokernel<GPT_ISA::WidenedBf16KGroup>>(
        GPT_ISA::large_enough)};

}  // namespace gpt
