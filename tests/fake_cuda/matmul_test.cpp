// Which product is asked of cuBLASLt, where it goes, and with what workspace.
#include <algorithm>
#include <set>

#include <ATen/ATen.h>
#include <cuda_runtime_api.h>
#include <gtest/gtest.h>

#include "gpt/device/memory.h"

#include "fake_cuda.h"
#include "kernels/cuda/matmul_backend.h"

namespace gpt {
namespace {

using fake::Call;
using fake::state;

at::Tensor matrix(std::int64_t rows, std::int64_t columns, at::ScalarType type,
                  int card = fake::kHopper) {
  return at::empty({rows, columns},
                   at::TensorOptions()
                       .device(at::Device(at::kCUDA, static_cast<c10::DeviceIndex>(card)))
                       .dtype(type));
}

MatmulArgs plain_product(int card = fake::kHopper) {
  return {.a = matrix(64, 32, at::kBFloat16, card),
          .b = matrix(32, 48, at::kBFloat16, card),
          .out = matrix(64, 48, at::kBFloat16, card)};
}

// Of `words` x 768 weights, as the head of GPT-2 adds them up.
MatmulArgs weight_gradient(std::int64_t words) {
  return {.a = matrix(256, words, at::kBFloat16),
          .b = matrix(256, 768, at::kBFloat16),
          .transpose_a = true,
          .out = matrix(words, 768, at::kFloat),
          .accumulate = true};
}

std::int64_t calls_into(const at::Tensor& tensor) {
  return std::count_if(state().calls.begin(), state().calls.end(),
                       [&](const Call& call) { return call.out == tensor.const_data_ptr(); });
}

TEST(CudaMatmul, TheFastestSuggestionRunsFromThenOn) {
  const MatmulArgs product = plain_product();
  ASSERT_TRUE(multiply(product));
  EXPECT_EQ(state().calls.back().algorithm, 1u);
  state().calls.clear();
  ASSERT_TRUE(multiply(product));
  ASSERT_EQ(state().calls.size(), 1u);
  EXPECT_EQ(state().calls.back().algorithm, 1u);
}

TEST(CudaMatmul, ASuggestionThatDoesNotRunIsNotChosen) {
  state().milliseconds = {-1, -1, 4};
  ASSERT_TRUE(multiply(plain_product()));
  EXPECT_EQ(state().calls.back().algorithm, 2u);
  EXPECT_EQ(cudaGetLastError(), cudaSuccess) << "the next launch would be blamed for it";
}

TEST(CudaMatmul, WhereNoSuggestionRunsNothingIsLeftOfIt) {
  const MatmulArgs product = plain_product();
  state().milliseconds = {-1};  // not tried, as there is no other
  for (int call = 0; call < 2; ++call) {
    EXPECT_FALSE(multiply(product));
    EXPECT_EQ(cudaGetLastError(), cudaSuccess);
  }
}

TEST(CudaMatmul, WithoutSuggestionsItIsAskedOnceAndNothingDone) {
  state().milliseconds.clear();
  const MatmulArgs product = plain_product();
  for (int call = 0; call < 3; ++call) EXPECT_FALSE(multiply(product));
  EXPECT_EQ(state().questions, 1);
  EXPECT_TRUE(state().calls.empty());
}

// The heuristics look at the bias's address, and suggest what suits it.
TEST(CudaMatmul, ABiasAtAnotherAlignmentIsAnotherShape) {
  MatmulArgs product = plain_product();
  const at::Tensor values = matrix(1, 64, at::kBFloat16).flatten();
  for (const auto& [first, questions] : {std::pair{0, 1}, {0, 1}, {1, 2}, {8, 3}, {1, 3}}) {
    product.bias = values.narrow(0, first, 48);
    ASSERT_TRUE(multiply(product));
    EXPECT_EQ(state().questions, questions) << "from element " << first;
  }
}

TEST(CudaMatmul, TheWorkspaceIsTheCardsAndOneForAll) {
  std::set<const void*> places;
  for (const auto& [card, mebi] : {std::pair{fake::kHopper, 32}, {fake::kAmpere, 8}}) {
    const auto bytes = static_cast<std::size_t>(mebi) << 20;
    const at::Device device(at::kCUDA, static_cast<c10::DeviceIndex>(card));
    const MatmulArgs product = plain_product(card);
    for (int call = 0; call < 2; ++call) {
      ASSERT_TRUE(multiply(product));
      places.insert(state().calls.back().workspace);
      EXPECT_EQ(state().calls.back().workspace_bytes, bytes);
    }
    EXPECT_EQ(state().preferred_workspace, bytes);
    EXPECT_LE(memory_use(device).tensors_peak, bytes + (1 << 20));
  }
  EXPECT_EQ(places.size(), 2u);
}

TEST(CudaMatmul, NoGraphOwnsTheWorkspace) {
  const MatmulArgs product = plain_product();
  state().capturing = true;
  EXPECT_FALSE(multiply(product));
  state().capturing = false;
  ASSERT_TRUE(multiply(product));
  const void* place = state().calls.back().workspace;
  state().capturing = true;
  ASSERT_TRUE(multiply(product));
  EXPECT_EQ(state().calls.back().workspace, place);
  const std::size_t before = state().calls.size();
  MatmulArgs other = plain_product();
  other.a = matrix(128, 32, at::kBFloat16);
  other.out = matrix(128, 48, at::kBFloat16);
  ASSERT_TRUE(multiply(other));
  EXPECT_EQ(state().calls.size(), before + 1) << "nothing may be timed in a recording";
  EXPECT_EQ(state().calls.back().algorithm, 0u);
  state().capturing = false;
  ASSERT_TRUE(multiply(other));
  EXPECT_EQ(state().calls.back().algorithm, 1u);
}

TEST(CudaMatmul, SplitSumsOfHalfTypesAreFloat32) {
  ASSERT_TRUE(multiply(plain_product()));
  EXPECT_EQ(state().reductions, 2u);  // CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE
  ASSERT_TRUE(multiply(weight_gradient(512)));
  EXPECT_EQ(state().reductions, 7u);  // any
}

TEST(CudaMatmul, AGradientIsAddedToOnceHoweverManySuggestionsAreTried) {
  for (const std::int64_t words : {512, 3072}) {
    const MatmulArgs product = weight_gradient(words);
    state().calls.clear();
    ASSERT_TRUE(multiply(product));
    EXPECT_EQ(calls_into(product.out), 1);
    EXPECT_GT(state().calls.size(), 3u);
    EXPECT_EQ(state().calls.front().columns, static_cast<std::uint64_t>(words));
    EXPECT_EQ(state().calls.back().algorithm, 1u);
    EXPECT_EQ(state().calls.back().out, product.out.const_data_ptr());
  }
}

TEST(CudaMatmul, TheHeadsGradientIsTriedOnSomeOfTheWords) {
  constexpr std::int64_t kWords = 50304;
  const MatmulArgs product = weight_gradient(kWords);
  ASSERT_TRUE(multiply(product));
  EXPECT_EQ(calls_into(product.out), 1);
  const Call trial = state().calls.front(), real = state().calls.back();
  EXPECT_EQ(real.algorithm, 1u);
  EXPECT_EQ(real.columns, static_cast<std::uint64_t>(kWords));
  EXPECT_LT(trial.columns, real.columns / 2);
  EXPECT_GT(trial.columns, real.columns / 3);
  EXPECT_EQ(trial.columns % 256, 0u);
  EXPECT_EQ(trial.a_rows, trial.columns);
  EXPECT_EQ(trial.a_stride, static_cast<std::uint64_t>(kWords));
  EXPECT_EQ(trial.stride, 768u);
}

// The gradient of 50257 words from logits whose rows are padded to 50304.
TEST(CudaMatmul, RowsMayLieApart) {
  MatmulArgs product = weight_gradient(50304);
  product.a = product.a.narrow(1, 0, 50257);
  product.out = matrix(50257, 768, at::kFloat);
  ASSERT_TRUE(multiply(product));
  EXPECT_EQ(state().calls.back().a_rows, 50257u);
  EXPECT_EQ(state().calls.back().a_stride, 50304u);
  const int questions = state().questions;
  product.a = matrix(256, 50257, at::kBFloat16);
  ASSERT_TRUE(multiply(product));
  EXPECT_EQ(state().calls.back().a_stride, 50257u);
  EXPECT_EQ(state().questions, questions + 1) << "another stride is another shape";
}

TEST(CudaMatmul, WithoutRoomNothingIsTriedAndNothingFlushed) {
  const at::Device card(at::kCUDA, 0);
  const MatmulArgs product = weight_gradient(50304);
  ASSERT_TRUE(multiply(plain_product()));  // the workspace
  state().calls.clear();
  limit_memory(card, memory_use(card).now + (std::uint64_t{32} << 20));
  ASSERT_TRUE(multiply(product));
  ASSERT_EQ(state().calls.size(), 1u);
  EXPECT_EQ(state().calls.front().algorithm, 0u);
  EXPECT_EQ(allocation_retries(card), 0);
}

}  // namespace
}  // namespace gpt
