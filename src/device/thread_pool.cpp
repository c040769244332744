#include "gpt/device/thread_pool.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <memory>
#include <utility>
#include <xmmintrin.h>

#include <ATen/Parallel.h>

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

SingleThreadScope::SingleThreadScope()
    : gemm_threads_(MKL_Set_Num_Threads_Local(1)), control_(_mm_getcsr()) {
  _mm_setcsr(control_ | kFlushToZero);
}

SingleThreadScope::~SingleThreadScope() {
  _mm_setcsr(control_);
  MKL_Set_Num_Threads_Local(gemm_threads_);
}

ThreadPool::ThreadPool(int size) : size_(size) {
  // Ranks wait at barriers, so each needs a thread: there are fewer within another parallel region
  // or under OMP_THREAD_LIMIT.
  std::atomic<int> calls{0};
  spread([&](int, int) { ++calls; });
  if (calls != size || threads_may_go()) size_ = 1;
  errors_.resize(static_cast<std::size_t>(size_));
}

void ThreadPool::spread(const std::function<void(int, int)>& work) const {
  at::parallel_for(0, size_, /*grain_size=*/1, [&](std::int64_t first, std::int64_t last) {
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
