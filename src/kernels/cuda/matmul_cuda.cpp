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
#include <ATen/cuda/Exceptions.h>
#include <c10/cuda/CUDAGraphsC10Utils.h>
#include <c10/cuda/CUDAGuard.h>

#include "gpt/device/device.h"
#include "gpt/device/gpu_table.h"
#include "gpt/device/memory.h"

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
// What a first run may allocate in addition to the plan to try candidates that add to their result.
constexpr std::int64_t kScratchBytes = std::int64_t{64} << 20;

// What all GEMMs on a card use together. ATen's getters are not used: they parse an environment
// variable in every call, and their workspace is of 1 MiB, too little to split the sum over tokens
// of a weight's gradient among multiprocessors. NVIDIA recommends 32 MiB on Hopper, 4 elsewhere.
struct Library {
  cublasLtHandle_t handle = nullptr;
  at::Tensor workspace;  // one for all streams: they take turns, recorded or not

  std::size_t bytes() const { return workspace.nbytes(); }
};

bool capturing() {
  return c10::cuda::currentStreamCaptureStatusMayInitCtx() != c10::cuda::CaptureStatus::None;
}

// Of the current device; nothing if it is not there yet and a graph is being recorded, whose
// memory the workspace would become. Kept to the end of the process: graphs point into it.
const Library* library(c10::DeviceIndex device) {
  static std::map<c10::DeviceIndex, Library> all;
  Library& one = all[device];
  if (one.workspace.defined()) return &one;
  if (capturing()) return nullptr;
  const cudaDeviceProp* facts = at::cuda::getDeviceProperties(device);
  const std::int64_t bytes = library_workspace(10 * facts->major + facts->minor);
  if (!one.handle) TORCH_CUDABLAS_CHECK(cublasLtCreate(&one.handle));
  one.workspace =
      at::empty({bytes}, at::TensorOptions().device(at::kCUDA, device).dtype(at::kByte));
  return &one;
}

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

// A single row has a stride of its own only by chance.
std::int64_t row_stride(const at::Tensor& matrix) {
  return matrix.size(0) == 1 ? matrix.size(1) : matrix.stride(0);
}

Layout layout_of(const at::Tensor& matrix) {
  cublasLtMatrixLayout_t layout = nullptr;
  const auto rows = static_cast<std::uint64_t>(matrix.size(1)),
             columns = static_cast<std::uint64_t>(matrix.size(0));
  const bool made = cublasLtMatrixLayoutCreate(&layout, data_type(matrix), rows, columns,
                                               row_stride(matrix)) == CUBLAS_STATUS_SUCCESS;
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

bool set_bias(const Plan& plan, const MatmulArgs& args) {
  if (!args.bias.defined()) return true;
  const void* pointer = args.bias.const_data_ptr();
  return set(plan, CUBLASLT_MATMUL_DESC_BIAS_POINTER, pointer);
}

Plan make_plan(const MatmulArgs& args) {
  Plan plan;
  cublasLtMatmulDesc_t description = nullptr;
  if (cublasLtMatmulDescCreate(&description, CUBLAS_COMPUTE_32F, CUDA_R_32F) !=
      CUBLAS_STATUS_SUCCESS)
    return plan;
  plan.description.reset(description);
  const auto operation = [](bool transposed) { return transposed ? CUBLAS_OP_T : CUBLAS_OP_N; };
  const cublasLtEpilogue_t epilogue =
      args.bias.defined() ? CUBLASLT_EPILOGUE_BIAS : CUBLASLT_EPILOGUE_DEFAULT;
  if (!set(plan, CUBLASLT_MATMUL_DESC_TRANSA, operation(args.transpose_b)) ||
      !set(plan, CUBLASLT_MATMUL_DESC_TRANSB, operation(args.transpose_a)) ||
      !set(plan, CUBLASLT_MATMUL_DESC_EPILOGUE, epilogue))
    return Plan{};
  plan.a = layout_of(args.a);
  plan.b = layout_of(args.b);
  plan.out = layout_of(args.out);
  return plan;
}

std::vector<cublasLtMatmulAlgo_t> candidates(const Library& library, const Plan& plan,
                                             const MatmulArgs& args) {
  cublasLtMatmulPreference_t made = nullptr;
  if (cublasLtMatmulPreferenceCreate(&made) != CUBLAS_STATUS_SUCCESS) return {};
  const Preference preference(made);
  const auto prefer = [&](cublasLtMatmulPreferenceAttributes_t attribute, const auto& value) {
    cublasLtMatmulPreferenceSetAttribute(made, attribute, &value, sizeof value);
  };
  prefer(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, library.bytes());
  // A split sum is added up in float32, never in a half type's result.
  prefer(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
         static_cast<std::uint32_t>(args.out.scalar_type() == at::kFloat
                                        ? CUBLASLT_REDUCTION_SCHEME_MASK
                                        : CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE));
  prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, alignment(args.b.const_data_ptr()));
  prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, alignment(args.a.const_data_ptr()));
  prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, alignment(args.out.const_data_ptr()));
  prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, alignment(args.out.const_data_ptr()));
  std::array<cublasLtMatmulHeuristicResult_t, kCandidates> results{};
  int found = 0;
  const cublasStatus_t status = cublasLtMatmulAlgoGetHeuristic(
      library.handle, plan.description.get(), plan.b.get(), plan.a.get(), plan.out.get(),
      plan.out.get(), made, kCandidates, results.data(), &found);
  std::vector<cublasLtMatmulAlgo_t> algorithms;
  for (int i = 0; status == CUBLAS_STATUS_SUCCESS && i < found; ++i)
    if (results[static_cast<std::size_t>(i)].state == CUBLAS_STATUS_SUCCESS)
      algorithms.push_back(results[static_cast<std::size_t>(i)].algo);
  return algorithms;
}

// False where the algorithm does not run, which leaves no error to those who launch next.
bool run(const Library& library, const Plan& plan, const MatmulArgs& args,
         const cublasLtMatmulAlgo_t& algorithm) {
  const float one = 1.0f, beta = args.accumulate ? 1.0f : 0.0f;
  const bool done =
      cublasLtMatmul(library.handle, plan.description.get(), &one, args.b.const_data_ptr(),
                     plan.b.get(), args.a.const_data_ptr(), plan.a.get(), &beta,
                     args.out.const_data_ptr(), plan.out.get(), args.out.mutable_data_ptr(),
                     plan.out.get(), &algorithm, library.workspace.mutable_data_ptr(),
                     library.bytes(), at::cuda::getCurrentCUDAStream()) == CUBLAS_STATUS_SUCCESS;
  if (!done) forget_error(args.out.device());
  return done;
}

// Milliseconds; infinite if it does not run.
float measure(const Library& library, const Plan& plan, const MatmulArgs& args,
              const cublasLtMatmulAlgo_t& algorithm) {
  const auto never = std::numeric_limits<float>::infinity();
  if (!run(library, plan, args, algorithm)) return never;
  const auto stream = at::cuda::getCurrentCUDAStream();
  at::cuda::CUDAEvent start(cudaEventDefault), end(cudaEventDefault);
  start.record(stream);
  for (int round = 0; round < kRounds; ++round)
    if (!run(library, plan, args, algorithm)) return never;
  end.record(stream);
  end.synchronize();
  return start.elapsed_time(end);
}

// What candidates may compute as often as they like. One that adds to its result gets another, of
// as many rows as fit into kScratchBytes: of the head's weight those are thousands of words, enough
// to fill any card. Nothing if that is more than there is: trying is no reason to free or to fail.
std::optional<MatmulArgs> trial_of(const MatmulArgs& args) {
  if (!args.accumulate) return args;
  constexpr std::int64_t kRows = 256;  // of the largest tiles
  const std::int64_t row = args.out.size(1) * args.out.element_size();
  const std::int64_t most = kScratchBytes / row / kRows * kRows;
  const std::int64_t rows = std::min(args.out.size(0), most);
  if (rows == 0 || !fits_without_flush(args.out.device(), static_cast<std::uint64_t>(rows * row)))
    return std::nullopt;
  MatmulArgs trial = args;
  trial.a = args.a.narrow(args.transpose_a ? 1 : 0, 0, rows);
  try {
    trial.out = at::zeros({rows, args.out.size(1)}, args.out.options());
  } catch (const c10::OutOfMemoryError&) {
    return std::nullopt;
  }
  return trial;
}

// The fastest of the library's suggestions; its first one where trying is not possible: inside a
// graph capture, where results must not depend on timings, or without memory for a result to spoil.
void choose(const Library& library, Plan& plan, const MatmulArgs& args) {
  const auto algorithms = candidates(library, plan, args);
  plan.tuned = !capturing();  // without a suggestion, too: it will not have one the next time
  if (algorithms.empty()) return;
  plan.algorithm = algorithms.front();
  if (!plan.tuned || algorithms.size() == 1 || at::globalContext().deterministicAlgorithms())
    return;
  const auto trial = trial_of(args);
  if (!trial) return;
  const Plan trial_plan = make_plan(*trial);
  if (!trial_plan.complete() || !set_bias(trial_plan, *trial)) return;
  float best = std::numeric_limits<float>::infinity();
  for (const cublasLtMatmulAlgo_t& algorithm : algorithms) {
    const float took = measure(library, trial_plan, *trial, algorithm);
    if (took < best) plan.algorithm = algorithm;
    best = std::min(best, took);
  }
}

using Key = std::array<std::int64_t, 17>;
Key key_of(const MatmulArgs& p) {
  return {p.a.size(0),
          p.a.size(1),
          p.b.size(0),
          p.b.size(1),
          row_stride(p.a),
          row_stride(p.b),
          row_stride(p.out),
          p.transpose_a,
          p.transpose_b,
          data_type(p.a),
          data_type(p.out),
          p.accumulate,
          p.bias.defined() ? alignment(p.bias.const_data_ptr()) : 0,
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

bool multiply(const MatmulArgs& args) {
  if (args.a.numel() == 0 || args.b.numel() == 0) return false;
  const auto row_major = [](const at::Tensor& matrix) {
    return matrix.is_contiguous() ||
           (matrix.stride(1) == 1 && row_stride(matrix) >= matrix.size(1));
  };
  TORCH_CHECK(row_major(args.a) && row_major(args.b) && row_major(args.out) &&
                  args.a.scalar_type() == args.b.scalar_type(),
              "multiply: row-major matrices of one type are needed");
  static std::mutex mutex;
  static std::map<Key, Plan> plans;
  const std::scoped_lock lock(mutex);
  const c10::cuda::CUDAGuard guard(args.a.device());
  const Library* const shared = library(args.a.device().index());
  if (!shared) return false;
  const auto [found, fresh] = plans.try_emplace(key_of(args));
  Plan& plan = found->second;
  if (fresh) plan = make_plan(args);
  if (!plan.complete() || !set_bias(plan, args)) return false;
  if (!plan.tuned) choose(*shared, plan, args);
  return plan.algorithm && run(*shared, plan, args, *plan.algorithm);
}

}  // namespace gpt
