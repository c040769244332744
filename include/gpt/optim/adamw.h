// AdamW (Loshchilov and Hutter 2019, algorithm 2) over two groups: tensors with two or more
// dimensions decay, biases and LayerNorms do not.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include <ATen/core/Tensor.h>

#include "gpt/config/offload.h"
#include "gpt/config/train_config.h"
#include "gpt/kernels/ops/parameter_update.h"
#include "gpt/optim/optimizer.h"

namespace gpt {

class StreamedUpdate;

class AdamW : public Optimizer {
 public:
  static constexpr std::int64_t kBuffer = std::int64_t{8} << 20;  // elements

  // `parameters` are contiguous leaves where they are to stay; `device`, by default the first
  // one's, computes, and all gradients are there; moments are float32, made here with all that a
  // step needs, so that step() allocates nothing. What `offload` puts into the host's memory (the
  // moments; with kWeights any of the parameters) a step streams through buffers of `buffer`
  // elements each. The same comes out; on the CPU, the same bits.
  AdamW(const std::vector<at::Tensor>& parameters, const OptimizerConfig& config,
        Offload offload = Offload::kOff, std::int64_t buffer = kBuffer,
        std::optional<c10::Device> device = {});
  ~AdamW() override;

  AdamW(const AdamW&) = delete;  // place_ points into this object
  AdamW& operator=(const AdamW&) = delete;

  at::Tensor gradient_norm() override;
  void step(double learning_rate, const at::Tensor& skip, const at::Tensor& factor = {}) override;
  // exp_avg and exp_avg_sq, shaped as the parameter, and step, a scalar.
  std::vector<StateTensor> state_tensors(std::size_t parameter) const override;
  std::int64_t state_bytes() const override;
  std::vector<GroupFacts> groups() const override;

  struct Group {
    double weight_decay = 0;
    std::vector<at::Tensor> parameter, exp_avg, exp_avg_sq, step;  // step: float32 scalars
  };

  // State of a parameter; the tensors may be copied into, and may be on the host.
  struct State {
    at::Tensor exp_avg, exp_avg_sq, step;
  };
  State state(std::size_t parameter) const;

 private:
  void step_group(Group& group, double learning_rate, const at::Tensor& skip,
                  const at::Tensor& factor);
  bool takes_table() const;
  void set_table();

  OptimizerConfig config_;
  Group decay_, no_decay_;
  at::Tensor one_, counts_;                            // float32 scalars: 1, and 1 - skip
  std::vector<std::pair<Group*, std::size_t>> place_;  // of each parameter
  std::unique_ptr<StreamedUpdate> streamed_;           // not with Offload::kOff
  ParameterTable table_;                               // where there are kernels for it
};

}  // namespace gpt
