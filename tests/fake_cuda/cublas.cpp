// cuBLAS: handles, and products that are not computed.
#include <cublas_v2.h>

#include "parts.h"

namespace {

struct Handle {
  int card;
  cudaStream_t stream = nullptr;
};

Handle* of(cublasHandle_t handle) {
  return reinterpret_cast<Handle*>(handle);
}

}  // namespace

extern "C" {

cublasStatus_t cublasCreate_v2(cublasHandle_t* handle) {
  const int card = gpt::fake::current_card();
  gpt::fake::open_context(card);
  gpt::fake::ends_recording("cublasCreate");
  *handle = reinterpret_cast<cublasHandle_t>(new Handle{card});
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasDestroy_v2(cublasHandle_t) {
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasSetStream_v2(cublasHandle_t handle, cudaStream_t stream) {
  of(handle)->stream = stream;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasSetWorkspace_v2(cublasHandle_t, void*, std::size_t) {
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasSetMathMode(cublasHandle_t, cublasMath_t) {
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasGetMathMode(cublasHandle_t, cublasMath_t* mode) {
  *mode = CUBLAS_DEFAULT_MATH;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasSetPointerMode_v2(cublasHandle_t, cublasPointerMode_t) {
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasGetPointerMode_v2(cublasHandle_t, cublasPointerMode_t* mode) {
  *mode = CUBLAS_POINTER_MODE_HOST;
  return CUBLAS_STATUS_SUCCESS;
}

// Whatever its other arguments are: the handle comes first.
cublasStatus_t fake_product(cublasHandle_t handle);
cublasStatus_t fake_product(cublasHandle_t handle) {
  gpt::fake::count("product of cuBLAS");
  if (of(handle)->card != gpt::fake::current_card())
    gpt::fake::complain("a cuBLAS handle of another card than the current one");
  return gpt::fake::use_stream(of(handle)->stream, "product of cuBLAS") == cudaSuccess
             ? CUBLAS_STATUS_SUCCESS
             : CUBLAS_STATUS_EXECUTION_FAILED;
}

}  // extern "C"

#define PRODUCT(name) __asm__(".globl " #name "; .set " #name ", fake_product")
PRODUCT(cublasDdot_v2);
PRODUCT(cublasDgemmStridedBatched);
PRODUCT(cublasDgemm_v2);
PRODUCT(cublasDgemv_v2);
PRODUCT(cublasDotEx);
PRODUCT(cublasGemmEx);
PRODUCT(cublasGemmStridedBatchedEx);
PRODUCT(cublasSdot_v2);
PRODUCT(cublasSgemmEx);
PRODUCT(cublasSgemmStridedBatched);
PRODUCT(cublasSgemm_v2);
PRODUCT(cublasSgemv_v2);
