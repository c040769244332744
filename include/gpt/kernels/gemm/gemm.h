// General matrix multiplication, C = A B or C += A B, of row-major matrices on the calling thread
// alone: float32 or bfloat16 in, float32 out. C is (M, N), A is (M, K) and B is (K, N), as in BLAS.
// The native backend (gemm_backend.h) computes it where it is faster and the thread has a
// GemmWorkspace, else the BLAS inside LibTorch does, called without the dispatcher: a call costs
// what it computes.
#pragma once

#include <cstdint>

#include "gpt/kernels/cpu/row_kernels.h"

namespace gpt {

enum class Into { kReplace, kAdd };

// A matrix inside a larger one: element (i, j) is at data[i * stride + j].
template <class T>
struct Matrix {
  T* data;
  std::int64_t stride;
};
using ConstF32 = Matrix<const float>;
using ConstBf16 = Matrix<const Bf16>;
using MutF32 = Matrix<float>;

// What is known of a lower triangular matrix in a GEMM, as attention's scores and weights are:
// entry (i, j) lies above the diagonal if j > first + i.
enum class Triangle {
  kNone,
  kLowerC,   // what lies above it in C is not needed: anything may be left there
  kLowerA,   // A has zeros above it
  kLowerAT,  // the transpose of A has: zeros where i > first + k. No row is all zeros: M <= first +
             // K
};

struct GemmShape {
  std::int64_t M, N, K;
  Triangle triangle = Triangle::kNone;
  std::int64_t first = 0;  // not negative
};

// A matrix B as the native backend has packed it. A GEMM may use a part of it: the first columns,
// a multiple of panel_columns that leaves as many or none; or the first K, and then the values of
// the next few must be numbers too, since zeros are multiplied with them.
struct PackedB {
  const unsigned char* data = nullptr;  // null: B is not packed
  std::int64_t K = 0;                   // of what was packed; 0: as many as the GEMM's
};

// A matrix B, and packed; the native backend reads the latter instead.
template <class T>
struct MatrixB : Matrix<const T> {
  MatrixB(Matrix<const T> matrix, PackedB its_packed = {})
      : Matrix<const T>(matrix), packed(its_packed) {}
  PackedB packed;
};

// C = a b^T, a (M, K), b (N, K): a linear layer's forward pass.
void gemm_nt(GemmShape size, ConstF32 a, MatrixB<float> b, MutF32 c, Into into);
void gemm_nt(GemmShape size, ConstBf16 a, MatrixB<Bf16> b, MutF32 c, Into into);
// C = a b, b (K, N): the gradient of its input.
void gemm_nn(GemmShape size, ConstF32 a, MatrixB<float> b, MutF32 c, Into into);
void gemm_nn(GemmShape size, ConstBf16 a, MatrixB<Bf16> b, MutF32 c, Into into);
// C = a^T b, a (K, M), b (K, N): the gradient of its weight.
void gemm_tn(GemmShape size, ConstF32 a, ConstF32 b, MutF32 c, Into into);
void gemm_tn(GemmShape size, ConstBf16 a, ConstBf16 b, MutF32 c, Into into);

// While one lives, the GEMMs of its thread may use `memory`, which is of the workspace_bytes
// (gemm_backend.h) of the largest of them and begins on a cache line. Null: MKL computes them all.
class GemmWorkspace {
 public:
  explicit GemmWorkspace(void* memory);
  ~GemmWorkspace();
  GemmWorkspace(const GemmWorkspace&) = delete;
  GemmWorkspace& operator=(const GemmWorkspace&) = delete;

 private:
  void* before_;
};

// Whether this thread has one, so that its GEMMs are native where that is faster.
bool has_gemm_workspace();

}  // namespace gpt
