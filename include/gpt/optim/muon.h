// Muon (Jordan et al. 2024) for matrices, AdamW for all other parameters, behind one interface.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include <ATen/core/Tensor.h>

#include "gpt/config/offload.h"
#include "gpt/config/train_config.h"
#include "gpt/kernels/ops/muon_update.h"
#include "gpt/optim/adamw.h"
#include "gpt/optim/optimizer.h"

namespace gpt {

class StreamedUpdate;

class Muon : public Optimizer {
 public:
  // As AdamW's. What `offload` puts into the host's memory (the momentum and AdamW's moments; with
  // kWeights the matrices as well) a step streams through buffers of `buffer` elements, or of two
  // of the largest matrices. The same comes out; on the CPU, the same bits. `type`: the model's.
  Muon(const std::vector<OptimizedTensor>& parameters, const OptimizerConfig& config,
       Offload offload = Offload::kOff, std::int64_t buffer = AdamW::kBuffer,
       std::optional<c10::Device> device = {}, c10::ScalarType type = c10::kFloat);
  ~Muon() override;

  at::Tensor gradient_norm() override;
  // `learning_rate` is AdamW's; Muon's follows in the proportion of their peaks.
  void step(double learning_rate, const at::Tensor& skip, const at::Tensor& factor = {}) override;
  // Of a matrix momentum_buffer, shaped as the parameter, and step, a scalar; else AdamW's.
  std::vector<StateTensor> state_tensors(std::size_t parameter) const override;
  std::int64_t state_bytes() const override;
  std::vector<GroupFacts> groups() const override { return groups_of(parameters_); }

 private:
  // One matrix of parameter `of` of Muon's, from element `first` on.
  struct Slice {
    std::size_t of;
    std::int64_t first;
    MatrixShape shape;

    at::Tensor in(const at::Tensor& whole) const;
  };
  // Where the state of a parameter is: number `at` of Muon's or of AdamW's.
  struct Place {
    bool muon;
    std::size_t at;
  };

  void add(const OptimizedTensor& parameter, bool on_host);
  // Makes what a step needs, for slices_.
  void prepare(Offload offload, std::int64_t buffer, c10::ScalarType type);
  MuonRates rates(double learning_rate) const;
  void stream(const MuonRates& rates, const at::Tensor& skip, const at::Tensor& factor);

  OptimizerConfig config_;
  c10::Device device_;
  std::vector<OptimizedTensor> parameters_;
  std::vector<Place> place_;
  std::unique_ptr<AdamW> adamw_;                      // if there is anything for it
  std::vector<at::Tensor> weight_, momentum_, step_;  // step: float32 scalars
  std::vector<Slice> slices_;                         // those of one shape in a row
  at::Tensor one_, counts_;                           // float32 scalars: 1, and 1 - skip
  std::unique_ptr<MuonUpdate> update_;                // if there are matrices
  std::unique_ptr<StreamedUpdate> streamed_;          // not with Offload::kOff
};

}  // namespace gpt
