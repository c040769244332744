#include "gpt/parallel/process_group.h"

namespace gpt {

namespace {

class SingleProcess : public ProcessGroup {
 public:
  int rank() const override { return 0; }
  int size() const override { return 1; }
  void sum(const std::vector<at::Tensor>&) override {}
  bool any(bool here) override { return here; }
};

}  // namespace

ProcessGroup& single_process() {
  static SingleProcess group;
  return group;
}

}  // namespace gpt
