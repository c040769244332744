// A process of a group whose other processes contribute nothing.
#pragma once

#include "gpt/parallel/process_group.h"

namespace gpt::testing {

class OneOfMany : public ProcessGroup {
 public:
  OneOfMany(int rank, int size) : rank_(rank), size_(size) {}
  int rank() const override { return rank_; }
  int size() const override { return size_; }

 private:
  int rank_, size_;
};

}  // namespace gpt::testing
