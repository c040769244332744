// GEMM of float32 with tile instructions.
#pragma once

#include "gpt/kernels/gemm/gemm_backend.h"

namespace gpt {
namespace amx {

// The members of NativeGemm.
void multiply_f32(GemmShape size, GemmOperand<float> a, GemmOperand<float> b, PackedB packed_b,
                  MutF32 c, Into into, unsigned char* workspace);
int64_t workspace_bytes_f32(GemmShape most);
int64_t packed_bytes_f32(int64_t N, int64_t K);
void pack_b_columns_f32(GemmOperand<float> b, int64_t first, int64_t last, int64_t /*N*/, int64_t K,
                        unsigned char* to);

}  // namespace amx
}  // namespace gpt
