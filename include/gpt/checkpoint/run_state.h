// The tensors of a run, to and from the files of a checkpoint.
#pragma once

#include <filesystem>
#include <vector>

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include "gpt/checkpoint/store.h"
#include "gpt/model/gpt.h"
#include "gpt/optim/optimizer.h"
#include "gpt/parallel/process_group.h"

namespace gpt {

inline constexpr const char* kModelFile = "model.safetensors";
inline constexpr const char* kOptimizerFile = "optimizer.safetensors";

// Views of the weights and the optimizer's state, with the host copies they look at. Valid while
// this object lives and the tensors are not written. Of a state that is spread over processes, the
// first one has all and the others nothing; all must make one.
class RunTensors {
 public:
  RunTensors(const Gpt& model, const Optimizer& optimizer);
  const std::vector<CheckpointPart>& parts() const { return parts_; }

 private:
  void add(CheckpointPart& part, std::string name, const at::Tensor& tensor);

  std::vector<at::Tensor> host_;
  std::vector<CheckpointPart> parts_;
};

// A copy of them in the host's memory, which is taken once and used for one checkpoint after the
// other: what a thread writes while the run continues.
class RunCopy {
 public:
  // `holds`: this process is the one that writes; the others take part, and hold nothing. For
  // copies from a GPU the memory is pinned.
  RunCopy(const Gpt& model, const Optimizer& optimizer, const c10::Device& device, bool holds);

  // Copies the tensors as they are now; all processes call this. When it returns they may be
  // written again.
  void take(const Gpt& model, const Optimizer& optimizer);
  const std::vector<CheckpointPart>& parts() const { return parts_; }

 private:
  void add(CheckpointPart& part, const std::string& name, at::IntArrayRef sizes);

  c10::Device device_;
  std::vector<at::Tensor> host_;  // in the order of the files
  std::vector<CheckpointPart> parts_;
};

// Copies the weights of checkpoint `directory` into the model; one with a smaller block_size gets
// the first positions. InputError if a tensor is missing, unknown, or of another type or shape.
// The first process of a group reads the files, for all; only it needs the folder.
void load_model(const std::filesystem::path& directory, const Gpt& model,
                ProcessGroup& group = single_process());
// The same weights without a model to fill: float32, on the CPU, in the order of the file.
ParameterList load_parameters(const std::filesystem::path& directory);
// As load_model. Of parameters that another optimizer has updated (AdamW instead of Muon, or Muon
// instead of AdamW) the state begins at zero, with a warning.
void load_optimizer(const std::filesystem::path& directory, const Gpt& model, Optimizer& optimizer,
                    ProcessGroup& group = single_process());

// CRC-32C over all weights and optimizer state, for comparing runs bit by bit.
std::uint32_t state_checksum(const Gpt& model, const Optimizer& optimizer);

}  // namespace gpt
