// The processes that train one model together, as a run sees them. Every process calls the same
// methods in the same order.
#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

namespace gpt {

struct IndexRange {
  std::int64_t begin = 0, end = 0;
  std::int64_t size() const { return end - begin; }
  bool operator==(const IndexRange&) const = default;
};

class ProcessGroup {
 public:
  virtual ~ProcessGroup() = default;

  virtual int rank() const = 0;
  virtual int size() const = 0;
  // The process that writes files and speaks.
  bool is_first() const { return rank() == 0; }

  // What this process does of `count` things in a row: as even a part as there is, the parts in the
  // order of the ranks.
  IndexRange partition(std::int64_t count) const {
    return {count * rank() / size(), count * (rank() + 1) / size()};
  }

  // Each tensor becomes the sum of it over all processes, on its device.
  virtual void sum(const std::vector<at::Tensor>& tensors) = 0;

  // Is it so in any process?
  virtual bool any(bool here) = 0;
};

// A run of one process: everything is its own, and nothing is sent.
ProcessGroup& single_process();

}  // namespace gpt
