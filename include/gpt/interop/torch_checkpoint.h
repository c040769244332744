// A GPT-2 in a file of torch.save: nanoGPT's ckpt.pt, {model, optimizer, model_args, iter_num,
// best_val_loss, config}, what forks and tutorials make of that, a state_dict() alone, or a whole
// model.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "gpt/config/settings.h"
#include "gpt/formats/torch_reader.h"
#include "gpt/interop/checkpoint_layout.h"
#include "gpt/interop/gpt2_tensors.h"
#include "gpt/interop/weight_source.h"

namespace gpt {

class TorchCheckpoint : public WeightSource {
 public:
  // Checks the file's structure and every weight's name, shape and type. The shape is the tensors',
  // and must be what the file's own arguments say; `hints` say what neither does. InputError.
  explicit TorchCheckpoint(const std::filesystem::path& path, const SourceHints& hints = {});
  TorchCheckpoint(const TorchCheckpoint&) = delete;

  const ModelShape& shape() const override { return shape_; }
  at::Tensor weight(const std::string& name) const override { return tensors_->weight(name); }
  std::string origin() const override { return file_->origin(); }
  std::string dataset() const override;  // that config names

  std::int64_t iteration() const { return iteration_; }
  double best_val_loss() const { return best_val_loss_; }
  // The values of `config` that are texts, numbers or booleans; keys are train.py's.
  const std::vector<Setting>& config() const { return config_; }

  // AdamW's state of a parameter, shaped as it; zeros where the optimizer has not stepped yet.
  struct AdamState {
    at::Tensor exp_avg, exp_avg_sq, step;
  };
  bool has_optimizer() const { return layout_.optimizer != nullptr; }
  // InputError, which says how to continue without it, if the optimizer is none that this program
  // can continue: not AdamW's, of other parameters, or damaged.
  void check_optimizer() const;
  AdamState optimizer_state(const std::string& name) const;

 private:
  void check_arguments() const;
  void settle_choices(const SourceHints& hints);
  void read_run();
  std::string section() const;
  at::Tensor tensor(const PickleValue& value, const std::string& where) const;
  double number(const PickleValue& value, const std::string& where) const;

  std::shared_ptr<const TorchReader> file_;
  CheckpointLayout layout_;
  std::unique_ptr<Gpt2Tensors> tensors_;
  ModelShape shape_;
  std::map<std::string, std::int64_t> optimizer_index_;
  std::int64_t iteration_ = 0;
  double best_val_loss_ = 0;
  std::vector<Setting> config_;
};

}  // namespace gpt
