// cuBLASLt's suggestions and products: noted, not computed. Descriptions are its own.
#include <cublasLt.h>

#include "parts.h"

using gpt::fake::state;

namespace {

std::uint64_t of(cublasLtMatrixLayout_t layout, cublasLtMatrixLayoutAttribute_t attribute) {
  std::uint64_t value = 0;
  cublasLtMatrixLayoutGetAttribute(layout, attribute, &value, sizeof value, nullptr);
  return value;
}

template <class Value>
void read(cublasLtMatmulPreference_t preference, cublasLtMatmulPreferenceAttributes_t attribute,
          Value& value) {
  cublasLtMatmulPreferenceGetAttribute(preference, attribute, &value, sizeof value, nullptr);
}

// `address` is null or of the card that `stream` is on.
void check(const void* address, cudaStream_t stream) {
  const gpt::fake::Block* block = gpt::fake::block_at(address);
  if (address && (!block || block->card != gpt::fake::card_of(stream)))
    gpt::fake::complain("cublasLtMatmul: a matrix that is not the card's");
}

}  // namespace

extern "C" {

cublasStatus_t cublasLtCreate(cublasLtHandle_t* handle) {
  static int one;
  gpt::fake::open_context(gpt::fake::current_card());
  gpt::fake::ends_recording("cublasLtCreate");
  *handle = reinterpret_cast<cublasLtHandle_t>(&one);
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t, cublasLtMatmulDesc_t,
                                              cublasLtMatrixLayout_t, cublasLtMatrixLayout_t,
                                              cublasLtMatrixLayout_t, cublasLtMatrixLayout_t,
                                              cublasLtMatmulPreference_t preference, int,
                                              cublasLtMatmulHeuristicResult_t results[],
                                              int* found) {
  read(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, state().preferred_workspace);
  read(preference, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, state().reductions);
  ++state().questions;
  *found = static_cast<int>(state().milliseconds.size());
  for (int i = 0; i < *found; ++i) {
    results[i] = {};
    results[i].algo.data[0] = static_cast<std::uint64_t>(i);
  }
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t, cublasLtMatmulDesc_t, const void*, const void* left,
                              cublasLtMatrixLayout_t, const void* right, cublasLtMatrixLayout_t b,
                              const void*, const void*, cublasLtMatrixLayout_t, void* out,
                              cublasLtMatrixLayout_t out_layout,
                              const cublasLtMatmulAlgo_t* algorithm, void* workspace,
                              std::size_t bytes, cudaStream_t stream) {
  const gpt::fake::Lock lock(gpt::fake::mutex());
  gpt::fake::count("product of cuBLASLt");
  for (const void* address :
       {left, right, static_cast<const void*>(out), static_cast<const void*>(workspace)})
    check(address, stream);
  if (gpt::fake::use_stream(stream, "cublasLtMatmul") != cudaSuccess)
    return CUBLAS_STATUS_EXECUTION_FAILED;
  state().calls.push_back({.algorithm = algorithm->data[0],
                           .out = out,
                           .columns = of(out_layout, CUBLASLT_MATRIX_LAYOUT_COLS),
                           .stride = of(out_layout, CUBLASLT_MATRIX_LAYOUT_LD),
                           .a_rows = of(b, CUBLASLT_MATRIX_LAYOUT_ROWS),
                           .a_stride = of(b, CUBLASLT_MATRIX_LAYOUT_LD),
                           .workspace = workspace,
                           .workspace_bytes = bytes});
  if (state().milliseconds[algorithm->data[0]] >= 0) return CUBLAS_STATUS_SUCCESS;
  gpt::fake::noted(cudaErrorInvalidConfiguration);  // of the launch within
  return CUBLAS_STATUS_NOT_SUPPORTED;
}

}  // extern "C"
