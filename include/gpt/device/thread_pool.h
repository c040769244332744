// The threads of the process: the caller and those of LibTorch's own pool, so that a model's loops,
// ATen's operators and the optimizer never compete for the cores.
#pragma once

#include <cstdint>
#include <exception>
#include <functional>
#include <vector>

#include "gpt/device/thread_group.h"

namespace gpt {

// While one lives, the GEMMs of its thread use no other threads, and denormal floats count as zero:
// late in training they appear in dead corners of a model, and each costs a hundred cycles.
class SingleThreadScope {
 public:
  SingleThreadScope();
  ~SingleThreadScope();
  SingleThreadScope(const SingleThreadScope&) = delete;
  SingleThreadScope& operator=(const SingleThreadScope&) = delete;

 private:
  int gemm_threads_;
  unsigned control_;
};

class ThreadPool {
 public:
  // At most `size` threads: as many as OpenMP grants.
  explicit ThreadPool(int size);
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int size() const { return size_; }

  // Calls work(rank) for each rank below size() on a thread of its own, the caller being rank 0,
  // and returns when all are done. The first exception (of the lowest rank) is thrown again; work
  // that waits at barriers must not throw between them.
  void run(const std::function<void(int)>& work);

  // The part of `size` items that is for `rank`: a multiple of `grain`, but for the last.
  Partition partition(std::int64_t size, int rank, std::int64_t grain = 1) const {
    const std::int64_t grains = (size + grain - 1) / grain;
    const std::int64_t begin = grains * rank / size_ * grain;
    const std::int64_t end = grains * (rank + 1) / size_ * grain;
    return {begin < size ? begin : size, end < size ? end : size};
  }

 private:
  // Calls work(first, last) on as many threads as it gets, until every rank is in one call.
  void spread(const std::function<void(int, int)>& work) const;

  int size_;
  std::vector<std::exception_ptr> errors_;
};

// The process's thread pool, as large as at::get_num_threads() says at the moment; a change makes a
// new one. Only for the thread that calls run().
ThreadPool& thread_pool();

}  // namespace gpt
