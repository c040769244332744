// Products of float32 with tiles.
#pragma once

#include "gpt/kernels/gemm/gemm_backend.h"

namespace gpt {
namespace amx {

// As the members of PackedProducts.
void multiply_f32(Extent size, ProductSide<float> a, ProductSide<float> b, Packed packed_b,
                  MutF32 c, Into into, unsigned char* workspace);
int64_t workspace_bytes_f32(Extent most);
int64_t packed_bytes_f32(int64_t columns, int64_t inner);
void pack_columns_f32(ProductSide<float> b, int64_t first, int64_t last, int64_t /*columns*/,
                      int64_t inner, unsigned char* to);

}  // namespace amx
}  // namespace gpt
