#include "gpt/kernels/gemm/gemm.h"

#include <utility>

#include "gpt/kernels/gemm/gemm_backend.h"

// MKL's Fortran interface, as LibTorch's library exports it.
extern "C" {
void sgemm_(const char* transa, const char* transb, const int* m, const int* n, const int* k,
            const float* alpha, const float* a, const int* lda, const float* b, const int* ldb,
            const float* beta, float* c, const int* ldc);
void gemm_bf16bf16f32_(const char* transa, const char* transb, const int* m, const int* n,
                       const int* k, const float* alpha, const std::uint16_t* a, const int* lda,
                       const std::uint16_t* b, const int* ldb, const float* beta, float* c,
                       const int* ldc);
}

namespace gpt {

namespace {

thread_local unsigned char* space = nullptr;

void mkl(char op_b, char op_a, const int* m, const int* n, const int* k, const float* b, int ld_b,
         const float* a, int ld_a, float beta, float* c, int ld_c) {
  const float one = 1;
  sgemm_(&op_b, &op_a, m, n, k, &one, b, &ld_b, a, &ld_a, &beta, c, &ld_c);
}
void mkl(char op_b, char op_a, const int* m, const int* n, const int* k, const Bf16* b, int ld_b,
         const Bf16* a, int ld_a, float beta, float* c, int ld_c) {
  const float one = 1;
  gemm_bf16bf16f32_(&op_b, &op_a, m, n, k, &one, b, &ld_b, a, &ld_a, &beta, c, &ld_c);
}

template <class T>
void product(Extent size, ProductSide<T> a, ProductSide<T> b, Packed packed_b, MutF32 c,
             Into into) {
  if (size.rows == 0 || size.columns == 0) return;
  const PackedProducts<T>* own = own_products_here<T>();
  if (own && own->pays(size)) return own->multiply(size, a, b, packed_b, c, into, space);
  // Row-major c = op(a) op(b) is column-major c^T = op(b)^T op(a)^T: the factors change places.
  const int m = static_cast<int>(size.columns), n = static_cast<int>(size.rows),
            k = static_cast<int>(size.inner);
  mkl(b.along ? 'T' : 'N', a.along ? 'N' : 'T', &m, &n, &k, b.data, static_cast<int>(b.stride),
      a.data, static_cast<int>(a.stride), into == Into::kAdd ? 1.0f : 0.0f, c.data,
      static_cast<int>(c.stride));
}

template <class T>
ProductSide<T> along(const Matrix<const T>& side) {
  return {side.data, side.stride, true};
}
template <class T>
ProductSide<T> down(const Matrix<const T>& side) {
  return {side.data, side.stride, false};
}

}  // namespace

void product_nt(Extent size, ConstF32 a, RightFactor<float> b, MutF32 c, Into into) {
  product(size, along(a), along(b), b.packed, c, into);
}
void product_nt(Extent size, ConstBf16 a, RightFactor<Bf16> b, MutF32 c, Into into) {
  product(size, along(a), along(b), b.packed, c, into);
}
void product_nn(Extent size, ConstF32 a, RightFactor<float> b, MutF32 c, Into into) {
  product(size, along(a), down(b), b.packed, c, into);
}
void product_nn(Extent size, ConstBf16 a, RightFactor<Bf16> b, MutF32 c, Into into) {
  product(size, along(a), down(b), b.packed, c, into);
}
void product_tn(Extent size, ConstF32 a, ConstF32 b, MutF32 c, Into into) {
  product(size, down(a), down(b), {}, c, into);
}
void product_tn(Extent size, ConstBf16 a, ConstBf16 b, MutF32 c, Into into) {
  product(size, down(a), down(b), {}, c, into);
}

ProductSpace::ProductSpace(void* memory)
    : before_(std::exchange(space, static_cast<unsigned char*>(memory))) {}

bool has_product_space() {
  return space != nullptr;
}

ProductSpace::~ProductSpace() {
  space = static_cast<unsigned char*>(before_);
}

}  // namespace gpt
