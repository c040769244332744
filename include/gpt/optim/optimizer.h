// What turns gradients into an update of the weights: what the training step, checkpoints and the
// memory plan need to know of an optimizer, whichever it is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "gpt/parallel/process_group.h"

namespace gpt {

// A parameter to update: a contiguous leaf, or in a shared state a part of one.
struct OptimizedTensor {
  at::Tensor tensor;
  // That lie one below the other in it, and that Muon orthogonalizes one by one; 0: its elements
  // are updated each for itself, by AdamW.
  std::int64_t matrices = 0;
};

class Optimizer {
 public:
  virtual ~Optimizer() = default;

  // The gradients, which `buffers` hold, become what the processes of the group have added up, as
  // far as this process needs them.
  virtual void sum_gradients(ProcessGroup& group, const std::vector<at::Tensor>& buffers) {
    group.sum(buffers);
  }

  // Does sum_gradients() want all sums in every process, so that they may as well be added up part
  // by part beforehand?
  virtual bool sums_everything() const { return true; }

  // The elements of parameter number `parameter` whose summed gradient is there after
  // sum_gradients(): by default all.
  struct Part {
    std::int64_t first = 0;
    std::optional<std::int64_t> count = {};
  };
  virtual Part own_part(std::size_t /*parameter*/) const { return {}; }

  // Euclidean norm over the parameters' gradients together; a float32 scalar on their device.
  virtual at::Tensor gradient_norm() = 0;

  // One update from the parameters' .grad(), times the float32 scalar `factor` if that is defined;
  // every parameter must have one. The gradients are used up. Where the float32 scalar `skip` is 1,
  // no weight is written and the step does not count. Allocates nothing that outlives it.
  virtual void step(double learning_rate, const at::Tensor& skip,
                    const at::Tensor& factor = {}) = 0;

  // The state of parameter number `parameter`, in the order in which the parameters were given.
  // Checkpoints save it under PARAMETER.NAME; the tensors may be copied into, and may be on the
  // host. Of a state that is spread over processes, all of them call this and the first one gets
  // copies; the others' tensors are undefined.
  struct StateTensor {
    std::string name;  // "exp_avg"
    at::Tensor tensor;
  };
  virtual std::vector<StateTensor> state_tensors(std::size_t parameter) const = 0;

  // Names and shapes of those tensors.
  struct StateShape {
    std::string name;
    std::vector<std::int64_t> sizes;
  };
  virtual std::vector<StateShape> state_shapes(std::size_t parameter) const;
  // Makes one of them equal to `value`, a whole tensor on the host.
  virtual void restore(std::size_t parameter, const std::string& name, const at::Tensor& value);

  // Bytes of all state tensors, wherever they are.
  virtual std::int64_t state_bytes() const = 0;

  // Parameters that are updated alike, for nanoGPT's lines at the start of a run.
  struct GroupFacts {
    std::string name;  // "decayed"
    std::size_t tensors = 0;
    std::int64_t parameters = 0;
  };
  virtual std::vector<GroupFacts> groups() const = 0;
};

// What of the above follows from the parameters alone: groups(), and state_shapes() of one of them.
std::vector<Optimizer::GroupFacts> groups_of(const std::vector<OptimizedTensor>& parameters);
std::vector<Optimizer::StateShape> state_shapes_of(const OptimizedTensor& parameter);

}  // namespace gpt
