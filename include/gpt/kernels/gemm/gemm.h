// Products of row-major matrices on the calling thread alone, float32 or bfloat16 in, float32 out:
// our own (gemm_backend.h) where they are faster and the thread has a ProductSpace, else those of
// the BLAS inside LibTorch, called without the dispatcher: one call costs what it computes.
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

// What is known of a product with a lower triangular matrix, as attention's scores and weights are:
// entry (i, j) lies above the diagonal if j > first + i.
enum class Triangle {
  kNone,
  kResult,          // what lies above it in the result is not needed: anything may be left there
  kLeft,            // the left factor has zeros above it
  kLeftTransposed,  // the left factor's transpose has: zeros where i > first + k. No row is all
                    // zeros: rows <= first + inner
};

struct Extent {
  std::int64_t rows, columns, inner;  // of the result; of the sum
  Triangle triangle = Triangle::kNone;
  std::int64_t first = 0;  // not negative
};

// A right factor as it was packed for our own products (gemm_backend.h). A product may be with a
// part of it: the first columns, a multiple of panel_columns that leaves as many or none; or the
// first inner indices, and the values of the next few must be numbers too, since zeros meet them.
struct Packed {
  const unsigned char* data = nullptr;  // null: it was not
  std::int64_t inner = 0;               // of what was packed; 0: as many as the product's
};

// A right factor, and packed; our own products use that instead.
template <class T>
struct RightFactor : Matrix<const T> {
  RightFactor(Matrix<const T> matrix, Packed its_packed = {})
      : Matrix<const T>(matrix), packed(its_packed) {}
  Packed packed;
};

// c = a b^T, a (rows, inner), b (columns, inner): a linear layer's forward pass.
void product_nt(Extent size, ConstF32 a, RightFactor<float> b, MutF32 c, Into into);
void product_nt(Extent size, ConstBf16 a, RightFactor<Bf16> b, MutF32 c, Into into);
// c = a b, b (inner, columns): its input's gradient.
void product_nn(Extent size, ConstF32 a, RightFactor<float> b, MutF32 c, Into into);
void product_nn(Extent size, ConstBf16 a, RightFactor<Bf16> b, MutF32 c, Into into);
// c = a^T b, a (inner, rows), b (inner, columns): its weight's gradient.
void product_tn(Extent size, ConstF32 a, ConstF32 b, MutF32 c, Into into);
void product_tn(Extent size, ConstBf16 a, ConstBf16 b, MutF32 c, Into into);

// While it lives, products of this thread may use `memory`: workspace_bytes (gemm_backend.h) of the
// largest of them, on a cache line. Null: all of them are MKL's.
class ProductSpace {
 public:
  explicit ProductSpace(void* memory);
  ~ProductSpace();
  ProductSpace(const ProductSpace&) = delete;
  ProductSpace& operator=(const ProductSpace&) = delete;

 private:
  void* before_;
};

// Has this thread one? Then its products are our own where they pay, else MKL's.
bool has_product_space();

}  // namespace gpt
