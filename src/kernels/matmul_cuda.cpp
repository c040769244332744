// cuBLASLt's matrices are column-major: out^T = op(b)^T op(a)^T, and a row-major matrix read by
// columns is its own transpose, so that nothing is copied.
#include <algorithm>
#include <array>
#include <cublasLt.h>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include <ATen/cuda/CUDAContext.h>
#include <ATen/cuda/CUDAEvent.h>
#include <c10/cuda/CUDAGraphsC10Utils.h>
#include <c10/cuda/CUDAGuard.h>

#include "matmul_backend.h"

namespace gpt {

namespace {

template <auto destroy>
struct Destroy {
  template <class Handle>
  void operator()(Handle* handle) const {
    destroy(handle);
  }
};
using Description = std::unique_ptr<std::remove_pointer_t<cublasLtMatmulDesc_t>,
                                    Destroy<cublasLtMatmulDescDestroy>>;
using Layout = std::unique_ptr<std::remove_pointer_t<cublasLtMatrixLayout_t>,
                               Destroy<cublasLtMatrixLayoutDestroy>>;
using Preference = std::unique_ptr<std::remove_pointer_t<cublasLtMatmulPreference_t>,
                                   Destroy<cublasLtMatmulPreferenceDestroy>>;

constexpr int kCandidates = 8, kRounds = 3;
// What a first run may allocate beside the plan to try candidates that add to their result.
constexpr std::int64_t kScratchBytes = std::int64_t{64} << 20;

cudaDataType_t data_type(const at::Tensor& tensor) {
  switch (tensor.scalar_type()) {
    case at::kBFloat16:
      return CUDA_R_16BF;
    case at::kHalf:
      return CUDA_R_16F;
    default:
      return CUDA_R_32F;
  }
}

std::uint32_t alignment(const void* pointer) {
  const auto address = reinterpret_cast<std::uintptr_t>(pointer);
  return address == 0
             ? 256u
             : static_cast<std::uint32_t>(std::min<std::uintptr_t>(256, address & -address));
}

Layout layout_of(const at::Tensor& matrix) {
  cublasLtMatrixLayout_t layout = nullptr;
  const auto rows = static_cast<std::uint64_t>(matrix.size(1)),
             columns = static_cast<std::uint64_t>(matrix.size(0));
  const bool made = cublasLtMatrixLayoutCreate(&layout, data_type(matrix), rows, columns,
                                               matrix.size(1)) == CUBLAS_STATUS_SUCCESS;
  return Layout(made ? layout : nullptr);
}

// One shape: what to call, and the algorithm that was chosen for it.
struct Plan {
  Description description;
  Layout a, b, out;
  std::optional<cublasLtMatmulAlgo_t> algorithm;
  bool tuned = false;

  bool complete() const { return description && a && b && out; }
};

bool set(const Plan& plan, cublasLtMatmulDescAttributes_t attribute, const auto& value) {
  return cublasLtMatmulDescSetAttribute(plan.description.get(), attribute, &value, sizeof value) ==
         CUBLAS_STATUS_SUCCESS;
}

bool set_bias(const Plan& plan, const Product& product) {
  if (!product.bias.defined()) return true;
  const void* pointer = product.bias.const_data_ptr();
  return set(plan, CUBLASLT_MATMUL_DESC_BIAS_POINTER, pointer);
}

Plan make_plan(const Product& product) {
  Plan plan;
  cublasLtMatmulDesc_t description = nullptr;
  if (cublasLtMatmulDescCreate(&description, CUBLAS_COMPUTE_32F, CUDA_R_32F) !=
      CUBLAS_STATUS_SUCCESS)
    return plan;
  plan.description.reset(description);
  const auto operation = [](bool transposed) { return transposed ? CUBLAS_OP_T : CUBLAS_OP_N; };
  const cublasLtEpilogue_t epilogue =
      product.bias.defined() ? CUBLASLT_EPILOGUE_BIAS : CUBLASLT_EPILOGUE_DEFAULT;
  if (!set(plan, CUBLASLT_MATMUL_DESC_TRANSA, operation(product.transpose_b)) ||
      !set(plan, CUBLASLT_MATMUL_DESC_TRANSB, operation(product.transpose_a)) ||
      !set(plan, CUBLASLT_MATMUL_DESC_EPILOGUE, epilogue))
    return Plan{};
  plan.a = layout_of(product.a);
  plan.b = layout_of(product.b);
  plan.out = layout_of(product.out);
  return plan;
}

std::vector<cublasLtMatmulAlgo_t> candidates(const Plan& plan, const Product& product) {
  cublasLtMatmulPreference_t made = nullptr;
  if (cublasLtMatmulPreferenceCreate(&made) != CUBLAS_STATUS_SUCCESS) return {};
  const Preference preference(made);
  const auto prefer = [&](cublasLtMatmulPreferenceAttributes_t attribute, const auto& value) {
    cublasLtMatmulPreferenceSetAttribute(made, attribute, &value, sizeof value);
  };
  prefer(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, at::cuda::getCUDABlasLtWorkspaceSize());
  prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, alignment(product.b.const_data_ptr()));
  prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, alignment(product.a.const_data_ptr()));
  prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, alignment(product.out.const_data_ptr()));
  prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, alignment(product.out.const_data_ptr()));
  std::array<cublasLtMatmulHeuristicResult_t, kCandidates> results{};
  int found = 0;
  const cublasStatus_t status = cublasLtMatmulAlgoGetHeuristic(
      at::cuda::getCurrentCUDABlasLtHandle(), plan.description.get(), plan.b.get(), plan.a.get(),
      plan.out.get(), plan.out.get(), made, kCandidates, results.data(), &found);
  std::vector<cublasLtMatmulAlgo_t> algorithms;
  for (int i = 0; status == CUBLAS_STATUS_SUCCESS && i < found; ++i)
    if (results[static_cast<std::size_t>(i)].state == CUBLAS_STATUS_SUCCESS)
      algorithms.push_back(results[static_cast<std::size_t>(i)].algo);
  return algorithms;
}

bool run(const Plan& plan, const Product& product, const cublasLtMatmulAlgo_t& algorithm,
         const at::Tensor& out) {
  const float one = 1.0f, beta = product.accumulate ? 1.0f : 0.0f;
  return cublasLtMatmul(at::cuda::getCurrentCUDABlasLtHandle(), plan.description.get(), &one,
                        product.b.const_data_ptr(), plan.b.get(), product.a.const_data_ptr(),
                        plan.a.get(), &beta, out.const_data_ptr(), plan.out.get(),
                        out.mutable_data_ptr(), plan.out.get(), &algorithm,
                        at::cuda::getCUDABlasLtWorkspace(), at::cuda::getCUDABlasLtWorkspaceSize(),
                        at::cuda::getCurrentCUDAStream()) == CUBLAS_STATUS_SUCCESS;
}

// Milliseconds; infinite if it does not run.
float measure(const Plan& plan, const Product& product, const cublasLtMatmulAlgo_t& algorithm,
              const at::Tensor& out) {
  const auto never = std::numeric_limits<float>::infinity();
  if (!run(plan, product, algorithm, out)) return never;
  const auto stream = at::cuda::getCurrentCUDAStream();
  at::cuda::CUDAEvent start(cudaEventDefault), end(cudaEventDefault);
  start.record(stream);
  for (int round = 0; round < kRounds; ++round)
    if (!run(plan, product, algorithm, out)) return never;
  end.record(stream);
  end.synchronize();
  return start.elapsed_time(end);
}

// The fastest of the library's suggestions; its first one where trying is not possible: inside a
// graph capture, where results must not depend on timings, or without room for a result to spoil.
void choose(Plan& plan, const Product& product) {
  const auto algorithms = candidates(plan, product);
  if (algorithms.empty()) return;
  plan.algorithm = algorithms.front();
  const bool capturing =
      c10::cuda::currentStreamCaptureStatusMayInitCtx() != c10::cuda::CaptureStatus::None;
  if (capturing) return;
  plan.tuned = true;
  const bool room =
      !product.accumulate || static_cast<std::int64_t>(product.out.nbytes()) <= kScratchBytes;
  if (at::globalContext().deterministicAlgorithms() || !room) return;
  const at::Tensor out = product.accumulate ? at::zeros_like(product.out) : product.out;
  float best = std::numeric_limits<float>::infinity();
  for (const cublasLtMatmulAlgo_t& algorithm : algorithms) {
    const float took = measure(plan, product, algorithm, out);
    if (took < best) plan.algorithm = algorithm;
    best = std::min(best, took);
  }
}

using Key = std::array<std::int64_t, 14>;
Key key_of(const Product& p) {
  return {p.a.size(0),
          p.a.size(1),
          p.b.size(0),
          p.b.size(1),
          p.transpose_a,
          p.transpose_b,
          data_type(p.a),
          data_type(p.out),
          p.accumulate,
          p.bias.defined(),
          p.a.device().index(),
          alignment(p.a.const_data_ptr()),
          alignment(p.b.const_data_ptr()),
          alignment(p.out.const_data_ptr())};
}

}  // namespace

bool multiplies(const at::Tensor& factor) {
  return factor.is_cuda() &&
         (factor.scalar_type() == at::kBFloat16 || factor.scalar_type() == at::kHalf);
}

bool multiply(const Product& product) {
  if (product.a.numel() == 0 || product.b.numel() == 0) return false;
  TORCH_CHECK(product.a.is_contiguous() && product.b.is_contiguous() &&
                  product.out.is_contiguous() && product.a.scalar_type() == product.b.scalar_type(),
              "multiply: contiguous matrices of one type are needed");
  static std::mutex mutex;
  static std::map<Key, Plan> plans;
  const std::scoped_lock lock(mutex);
  const c10::cuda::CUDAGuard guard(product.a.device());
  const auto [found, fresh] = plans.try_emplace(key_of(product));
  Plan& plan = found->second;
  if (fresh) plan = make_plan(product);
  if (!plan.complete() || !set_bias(plan, product)) return false;
  if (!plan.tuned) choose(plan, product);
  return plan.algorithm && run(plan, product, *plan.algorithm, product.out);
}

}  // namespace gpt
