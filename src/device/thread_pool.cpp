#include "gpt/device/thread_pool.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <memory>
#include <xmmintrin.h>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/TensorIterator.h>

// MKL's, as LibTorch's library exports it.
extern "C" int MKL_Set_Num_Threads_Local(int threads);

namespace gpt {

namespace {

// With OMP_DYNAMIC a later parallel region may have fewer threads than the one that was tried out.
bool threads_may_go() {
  const char* dynamic = std::getenv("OMP_DYNAMIC");
  return dynamic && (dynamic[0] == 't' || dynamic[0] == 'T');
}

constexpr unsigned kFlushToZero = 0x8040;  // MXCSR: flush to zero, denormals are zero

}  // namespace

void parallel_ranges(std::int64_t count, std::int64_t grain,
                     c10::function_ref<void(std::int64_t first, std::int64_t last)> work) {
  if (count <= 0) return;
  if (count <= grain) return work(0, count);
  parallel_ranges(at::empty({count}, at::kByte), grain, work);
}

// LibTorch's loop over a tensor's elements is compiled with OpenMP, so it cuts the bytes for us;
// what it hands out are addresses, from which the range follows.
void parallel_ranges(const at::Tensor& bytes, std::int64_t grain,
                     c10::function_ref<void(std::int64_t first, std::int64_t last)> work) {
  const auto* base = static_cast<const char*>(bytes.const_data_ptr());
  at::Tensor elements = bytes;
  at::TensorIterator iterator = at::TensorIterator::nullary_op(elements);
  // Two dimensions are the general case; the outer one of a vector has one step.
  const auto piece = [&](char** data, const std::int64_t*, std::int64_t size, std::int64_t steps) {
    const std::int64_t first = data[0] - base;
    work(first, first + size * steps);
  };
  iterator.for_each(piece, std::max<std::int64_t>(1, grain));
}

SingleThreadScope::SingleThreadScope()
    : gemm_threads_(MKL_Set_Num_Threads_Local(1)), control_(_mm_getcsr()) {
  _mm_setcsr(control_ | kFlushToZero);
}

SingleThreadScope::~SingleThreadScope() {
  _mm_setcsr(control_);
  MKL_Set_Num_Threads_Local(gemm_threads_);
}

ThreadPool::ThreadPool(int size)
    : size_(size),
      bytes_(static_cast<std::size_t>(size)),
      ranks_(at::from_blob(bytes_.data(), {size}, at::kByte)) {
  // Ranks wait at barriers, so each needs a thread: there are fewer within another parallel region
  // or under OMP_THREAD_LIMIT.
  std::atomic<int> calls{0};
  spread([&](int, int) { ++calls; });
  if (calls != size || threads_may_go()) size_ = 1;
  errors_.resize(static_cast<std::size_t>(size_));
}

void ThreadPool::spread(const std::function<void(int, int)>& work) const {
  if (size_ == 1) return work(0, 1);
  parallel_ranges(ranks_, /*grain=*/1, [&](std::int64_t first, std::int64_t last) {
    work(static_cast<int>(first), static_cast<int>(last));
  });
}

void ThreadPool::run(const std::function<void(int)>& work) {
  spread([&](int first, int last) {
    const SingleThreadScope scope;
    for (int rank = first; rank < last; ++rank) {
      try {
        work(rank);
      } catch (...) {
        errors_[static_cast<std::size_t>(rank)] = std::current_exception();
      }
    }
  });
  for (std::exception_ptr& error : errors_)
    if (const auto thrown = std::exchange(error, nullptr)) std::rethrow_exception(thrown);
}

ThreadPool& thread_pool() {
  static std::unique_ptr<ThreadPool> current;
  static int wanted = 0;
  const int size = at::get_num_threads();
  if (!current || wanted != size) current = std::make_unique<ThreadPool>(wanted = size);
  return *current;
}

}  // namespace gpt
