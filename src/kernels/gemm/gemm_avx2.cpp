#define GPT_ISA avx2

#include "kernels/cpu/simd_avx2.h"
#include "simd_microkernel.h"

namespace gpt {

const ProductSet kProductAvx2 = {
    .name = "avx2",
    .f32 = GPT_ISA::products_by<GPT_ISA::WordKernel<GPT_ISA::PlainWords>>(GPT_ISA::pays),
    .bf16 = GPT_ISA::products_by<GPT_ISA::WordKernel<GPT_ISA::WidenedWords>>(GPT_ISA::pays)};

}  // namespace gpt
