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

thread_local unsigned char* workspace = nullptr;

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
void gemm(GemmShape size, GemmOperand<T> a, GemmOperand<T> b, PackedB packed_b, MutF32 c,
          Into into) {
  if (size.M == 0 || size.N == 0) return;
  const NativeGemm<T>* native = native_gemm_here<T>();
  if (native && native->is_faster(size))
    return native->multiply(size, a, b, packed_b, c, into, workspace);
  // Row-major c = op(a) op(b) is column-major c^T = op(b)^T op(a)^T: A and B change places.
  const int m = static_cast<int>(size.N), n = static_cast<int>(size.M),
            k = static_cast<int>(size.K);
  mkl(b.k_contiguous ? 'T' : 'N', a.k_contiguous ? 'N' : 'T', &m, &n, &k, b.data,
      static_cast<int>(b.stride), a.data, static_cast<int>(a.stride),
      into == Into::kAdd ? 1.0f : 0.0f, c.data, static_cast<int>(c.stride));
}

template <class T>
GemmOperand<T> k_in_rows(const Matrix<const T>& side) {
  return {side.data, side.stride, true};
}
template <class T>
GemmOperand<T> k_in_columns(const Matrix<const T>& side) {
  return {side.data, side.stride, false};
}

}  // namespace

void gemm_nt(GemmShape size, ConstF32 a, MatrixB<float> b, MutF32 c, Into into) {
  gemm(size, k_in_rows(a), k_in_rows(b), b.packed, c, into);
}
void gemm_nt(GemmShape size, ConstBf16 a, MatrixB<Bf16> b, MutF32 c, Into into) {
  gemm(size, k_in_rows(a), k_in_rows(b), b.packed, c, into);
}
void gemm_nn(GemmShape size, ConstF32 a, MatrixB<float> b, MutF32 c, Into into) {
  gemm(size, k_in_rows(a), k_in_columns(b), b.packed, c, into);
}
void gemm_nn(GemmShape size, ConstBf16 a, MatrixB<Bf16> b, MutF32 c, Into into) {
  gemm(size, k_in_rows(a), k_in_columns(b), b.packed, c, into);
}
void gemm_tn(GemmShape size, ConstF32 a, ConstF32 b, MutF32 c, Into into) {
  gemm(size, k_in_columns(a), k_in_columns(b), {}, c, into);
}
void gemm_tn(GemmShape size, ConstBf16 a, ConstBf16 b, MutF32 c, Into into) {
  gemm(size, k_in_columns(a), k_in_columns(b), {}, c, into);
}

GemmWorkspace::GemmWorkspace(void* memory)
    : before_(std::exchange(workspace, static_cast<unsigned char*>(memory))) {}

bool has_gemm_workspace() {
  return workspace != nullptr;
}

GemmWorkspace::~GemmWorkspace() {
  workspace = static_cast<unsigned char*>(before_);
}

}  // namespace gpt
