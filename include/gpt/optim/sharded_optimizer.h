// An optimizer whose state is spread over the processes of a run: ZeRO, stage 1 (Rajbhandari et al.
// 2020). Each process gets the sum of its part of the gradients, updates that part of the weights,
// and sends it to the others.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "gpt/optim/optimizer.h"

namespace gpt {

class ShardedOptimizer : public Optimizer {
 public:
  // Makes the optimizer of one process's part: of views of the parameters. Matrices are there
  // whole; other parts are flat, of two dimensions where the parameter has two or more.
  using Make = std::function<std::unique_ptr<Optimizer>(const std::vector<OptimizedTensor>& parts)>;

  // `parameters` are the same in every process. InputError if a process would get none of them.
  ShardedOptimizer(std::vector<OptimizedTensor> parameters, ProcessGroup& group, const Make& make);

  void sum_gradients(ProcessGroup& group, const std::vector<at::Tensor>& buffers) override;
  bool sums_everything() const override { return false; }
  Part own_part(std::size_t parameter) const override;
  at::Tensor gradient_norm() override;
  void step(double learning_rate, const at::Tensor& skip, const at::Tensor& factor = {}) override;
  std::vector<StateTensor> state_tensors(std::size_t parameter) const override;
  std::vector<StateShape> state_shapes(std::size_t parameter) const override {
    return state_shapes_of(parameters_[parameter]);
  }
  void restore(std::size_t parameter, const std::string& name, const at::Tensor& value) override;
  std::int64_t state_bytes() const override { return own_->state_bytes(); }
  // As of all parameters: the parts are views of them.
  std::vector<GroupFacts> groups() const override { return groups_of(parameters_); }

 private:
  // Elements [first, first + count) of a parameter.
  struct Piece {
    std::size_t parameter;
    std::int64_t first, count;
  };
  static constexpr std::size_t kNone = static_cast<std::size_t>(-1);

  const std::vector<Piece>& own() const { return pieces_[static_cast<std::size_t>(group_.rank())]; }
  // Of this process's part of a parameter; kNone if it has none.
  std::size_t own_piece(std::size_t parameter) const;
  void deal_matrices();
  void cut_others();
  OwnedTensors views(const std::function<at::Tensor(std::size_t parameter)>& of) const;
  at::Tensor collected(std::size_t parameter, const StateShape& shape,
                       const at::Tensor& here) const;

  std::vector<OptimizedTensor> parameters_;
  ProcessGroup& group_;
  std::vector<std::vector<Piece>> pieces_;  // by rank
  std::vector<OptimizedTensor> parts_;      // of this process
  std::unique_ptr<Optimizer> own_;
};

}  // namespace gpt
