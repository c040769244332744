// LibTorch's number of threads for the time that an object lives; more than there are cores will
// do, they take turns.
#pragma once

#include <ATen/Parallel.h>

namespace gpt::testing {

class ThreadCount {
 public:
  explicit ThreadCount(int count) { at::set_num_threads(count); }
  ~ThreadCount() { at::set_num_threads(before_); }
  ThreadCount(const ThreadCount&) = delete;
  ThreadCount& operator=(const ThreadCount&) = delete;

 private:
  const int before_ = at::get_num_threads();
};

}  // namespace gpt::testing
