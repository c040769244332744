#include "gpt/kernels/product.h"

#include <xmmintrin.h>

// MKL's Fortran interface, as LibTorch's library exports it.
extern "C" {
void sgemm_(const char* transa, const char* transb, const int* m, const int* n, const int* k,
            const float* alpha, const float* a, const int* lda, const float* b, const int* ldb,
            const float* beta, float* c, const int* ldc);
void gemm_bf16bf16f32_(const char* transa, const char* transb, const int* m, const int* n,
                       const int* k, const float* alpha, const std::uint16_t* a, const int* lda,
                       const std::uint16_t* b, const int* ldb, const float* beta, float* c,
                       const int* ldc);
int MKL_Set_Num_Threads_Local(int threads);
}

namespace gpt {

namespace {

// Row-major c = op(a) op(b) is column-major c^T = op(b)^T op(a)^T: the operands change places.
template <class T, class Gemm>
void product(Gemm gemm, char op_a, char op_b, Extent size, Matrix<const T> a, Matrix<const T> b,
             MutF32 c, Into into) {
  if (size.rows == 0 || size.columns == 0) return;
  const int m = static_cast<int>(size.columns), n = static_cast<int>(size.rows),
            k = static_cast<int>(size.inner), ld_a = static_cast<int>(a.stride),
            ld_b = static_cast<int>(b.stride), ld_c = static_cast<int>(c.stride);
  const float one = 1, beta = into == Into::kAdd ? 1 : 0;
  gemm(&op_b, &op_a, &m, &n, &k, &one, b.data, &ld_b, a.data, &ld_a, &beta, c.data, &ld_c);
}

constexpr unsigned kFlushToZero = 0x8040;  // MXCSR: flush to zero, denormals are zero

}  // namespace

void product_nt(Extent size, ConstF32 a, ConstF32 b, MutF32 c, Into into) {
  product<float>(sgemm_, 'N', 'T', size, a, b, c, into);
}
void product_nt(Extent size, ConstBf16 a, ConstBf16 b, MutF32 c, Into into) {
  product<Bf16>(gemm_bf16bf16f32_, 'N', 'T', size, a, b, c, into);
}
void product_nn(Extent size, ConstF32 a, ConstF32 b, MutF32 c, Into into) {
  product<float>(sgemm_, 'N', 'N', size, a, b, c, into);
}
void product_nn(Extent size, ConstBf16 a, ConstBf16 b, MutF32 c, Into into) {
  product<Bf16>(gemm_bf16bf16f32_, 'N', 'N', size, a, b, c, into);
}
void product_tn(Extent size, ConstF32 a, ConstF32 b, MutF32 c, Into into) {
  product<float>(sgemm_, 'T', 'N', size, a, b, c, into);
}
void product_tn(Extent size, ConstBf16 a, ConstBf16 b, MutF32 c, Into into) {
  product<Bf16>(gemm_bf16bf16f32_, 'T', 'N', size, a, b, c, into);
}

LoneThread::LoneThread() : products_(MKL_Set_Num_Threads_Local(1)), control_(_mm_getcsr()) {
  _mm_setcsr(control_ | kFlushToZero);
}

LoneThread::~LoneThread() {
  _mm_setcsr(control_);
  MKL_Set_Num_Threads_Local(products_);
}

}  // namespace gpt
